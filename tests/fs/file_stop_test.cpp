// SPDX-License-Identifier: MIT
// fs::file under cancellation, and files that are streams: pipes, fifos.
#include <sluice/context.hpp>
#include <sluice/fs/file.hpp>
#include <sluice/sluice.hpp>

#include "support/everywhere.hpp"
#include "support/files.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace sluice;
using namespace sluice_test;

namespace {

/// A pipe whose ends are files.
struct pipe_files {
  pipe_files() {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    reader = fs::file::adopt(ends[0]);
    writer = fs::file::adopt(ends[1]);
  }
  fs::file reader, writer;
};

task<> open_and_keep(std::string path, std::atomic<int>* opened) {
  auto f = co_await fs::file::open(path, {.write = true, .create = true});
  if (f) ++*opened;
  co_await yield();  // where a stop that came too late for the open takes the file along
}

task<> read_one(fs::file* from) {
  std::array<char, 8> buffer;
  static_cast<void>(co_await from->read(buffer));
  FAIL("read: nothing was sent");
}

}  // namespace

TEST_SUITE_BEGIN("fs/file stop");

TEST_CASE("file: an open that meets a stop request is delivered or undone, never leaked") {
  const std::size_t before = open_descriptors();
  std::atomic<int> opened = 0;
  const auto many = [&opened]() -> task<> {
    temp_dir dir;
    std::vector<join_handle<>> all;
    for (int i = 0; i < 100; ++i) {
      // To make a file takes the reactor: nothing of this is served on the spot.
      all.push_back(go(open_and_keep, dir.path("f" + std::to_string(i % 10)), &opened));
      if (i % 3 == 0) co_await yield();
      if (i % 2 == 0) all[static_cast<std::size_t>(i) / 2].cancel();
    }
    for (auto& h : all)
      static_cast<void>(co_await was_stopped(std::move(h)));
  };
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    testing::bubble(many, {.seed = seed});
  }
  CHECK(open_descriptors() == before);
  for (const auto backend : {backend::io_uring, backend::epoll}) {
    if (backend == backend::io_uring && !has_io_uring()) continue;
    for (int round = 0; round < 20; ++round)
      run({.workers = 1, .backend = backend}, many);
  }
  CHECK(open_descriptors() == before);
  CHECK(opened > 0);
}

TEST_CASE("file: a read that waits ends stopped, and takes nothing") {
  on_all_reactors([]() -> task<> {
    pipe_files pipe;
    auto h = go(read_one, &pipe.reader);
    co_await until_waiting(h.id());
    h.cancel();
    const bool stopped = co_await was_stopped(std::move(h));
    CHECK(stopped);
    static_cast<void>(co_await pipe.writer.write("kept"));
    std::array<char, 8> buffer;
    auto n = co_await pipe.reader.read(buffer);
    CHECK(n == 4u);
  });
}

TEST_CASE("file: a read that waits ends at the deadline of its boundary, and takes nothing") {
  on_all_reactors([]() -> task<> {
    pipe_files pipe;
    std::array<char, 8> buffer;
    const auto late = co_await with_timeout(std::chrono::milliseconds(1), pipe.reader.read(buffer));
    REQUIRE_FALSE(late.has_value());
    CHECK(late.error() == make_error_code(errc::deadline_exceeded));
    static_cast<void>(co_await pipe.writer.write("kept"));
    const auto n = co_await with_timeout(std::chrono::hours(1), pipe.reader.read(buffer));
    CHECK(n == 4u);
  });
}

TEST_CASE("file: a write into a full pipe ends at the deadline of its boundary") {
  on_all_reactors([]() -> task<> {
    pipe_files pipe;
    const std::vector<char> much(std::size_t{1} << 20);
    std::size_t written = 0;
    std::error_code cause;
    while (!cause) {
      const auto n = co_await with_timeout(std::chrono::milliseconds(1), pipe.writer.write(much));
      if (n) {
        written += *n;
      } else {
        cause = n.error().code();
      }
    }
    CHECK(cause == errc::deadline_exceeded);
    CHECK(written > 0);
    std::vector<char> all(written);
    const auto read = co_await pipe.reader.read_exact(all);  // what was told is there
    CHECK(read.has_value());
  });
}

TEST_CASE("file: a read_exact stopped part-way breaks the stream, one that took nothing does not") {
  // A ring that fails may not have taken the first part when it is stopped.
  on_sound_reactors([]() -> task<> {
    pipe_files pipe;
    const auto read_eight = [](fs::file* from) -> task<> {
      std::array<char, 8> buffer;
      static_cast<void>(co_await from->read_exact(buffer));
      FAIL("read_exact: the rest was never sent");
    };
    auto h = go(read_eight, &pipe.reader);
    co_await until_waiting(h.id());
    h.cancel();
    bool stopped = co_await was_stopped(std::move(h));
    CHECK(stopped);
    static_cast<void>(co_await pipe.writer.write("abc"));
    std::array<char, 2> two;
    auto done = co_await pipe.reader.read_exact(two);
    CHECK(done);

    h = go(read_eight, &pipe.reader);
    co_await until_waiting(h.id());
    h.cancel();
    stopped = co_await was_stopped(std::move(h));
    CHECK(stopped);
    static_cast<void>(co_await pipe.writer.write("def"));
    auto n = co_await pipe.reader.read(two);
    REQUIRE_FALSE(n);
    CHECK(n.error() == make_error_code(errc::canceled));
    CHECK(n.error().message().find("read pipe:[") == 0);
    n = co_await pipe.writer.write("g");  // the other direction is whole
    CHECK(n == 1u);
  });
}

TEST_CASE("file: a write_all stopped part-way breaks the stream") {
  on_real_reactors([]() -> task<> {
    pipe_files pipe;
    auto h = go(
        [](fs::file* to) -> task<> {
          const std::string more_than_fits(1 << 20, 'x');
          static_cast<void>(co_await to->write_all(more_than_fits));
          FAIL("write_all: nobody reads");
        },
        &pipe.writer);
    co_await until_waiting(h.id());
    h.cancel();
    const bool stopped = co_await was_stopped(std::move(h));
    CHECK(stopped);
    auto n = co_await pipe.writer.write("y");
    REQUIRE_FALSE(n);
    CHECK(n.error() == make_error_code(errc::canceled));
  });
}

TEST_CASE("file: a pipe carries more than it holds, and ends when the writer closes it") {
  on_all_reactors([]() -> task<> {
    pipe_files pipe;
    const std::string sent(300'000, 'p');
    auto writing = go(
        [](fs::file to, const std::string* text) -> task<> {
          auto done = co_await to.write_all(*text);
          CHECK(done);
          done = to.close();  // the routine's arguments live until it is joined
          CHECK(done);
        },
        std::move(pipe.writer), &sent);
    std::string got;
    std::array<char, 5000> buffer;
    for (;;) {
      auto n = co_await pipe.reader.read(buffer);
      REQUIRE(n);
      if (*n == 0) break;
      got.append(buffer.data(), *n);
    }
    CHECK(got == sent);
    co_await std::move(writing);
  });
}

TEST_CASE("file: a write that nobody will read fails with EPIPE, and no signal ends the process") {
  on_real_reactors([]() -> task<> {
    pipe_files pipe;
    static_cast<void>(pipe.reader.close());
    auto n = co_await pipe.writer.write("x");
    REQUIRE_FALSE(n);
    CHECK(n.error() == std::errc::broken_pipe);
  });
}

TEST_CASE("file: a fifo is opened to read when somebody writes, to write when somebody reads") {
  on_all_reactors([]() -> task<> {
    temp_dir dir;
    const std::string path = dir.path("fifo");
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    auto early = co_await fs::file::open(path, {.read = false, .write = true});
    REQUIRE_FALSE(early);
    CHECK(early.error() == std::errc::no_such_device_or_address);

    auto reading = go(
        [](std::string at) -> task<std::string> {
          auto f = co_await fs::file::open(at);
          REQUIRE(f);
          std::string text(16, '\0');
          auto n = co_await f->read(text);
          REQUIRE(n);
          text.resize(*n);
          co_return text;
        },
        path);
    auto writer = co_await fs::file::open(path, {.read = false, .write = true});
    while (!writer && writer.error() == std::errc::no_such_device_or_address) {
      co_await yield();  // the reader is on its way
      writer = co_await fs::file::open(path, {.read = false, .write = true});
    }
    REQUIRE(writer);
    static_cast<void>(co_await writer->write("through"));
    const std::string text = co_await std::move(reading);
    CHECK(text == "through");
  });
}

TEST_CASE("file: an open that waits for a fifo's writer can be stopped, and closes what it has") {
  const std::size_t before = open_descriptors();
  on_all_reactors([]() -> task<> {
    temp_dir dir;
    const std::string path = dir.path("fifo");
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    auto h = go(
        [](std::string at) -> task<> {
          static_cast<void>(co_await fs::file::open(at));
          FAIL("open: nobody writes");
        },
        path);
    co_await until_waiting(h.id());
    h.cancel();
    const bool stopped = co_await was_stopped(std::move(h));
    CHECK(stopped);
  });
  CHECK(open_descriptors() == before);
}

TEST_SUITE_END();
