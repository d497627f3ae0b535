// SPDX-License-Identifier: MIT
// fs::file on every reactor: what is read and written, what errors say, who closes.
#include <sluice/fs/file.hpp>
#include <sluice/sluice.hpp>

#include "support/files.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace sluice;
using namespace sluice_test;

namespace {

std::string_view text_of(const std::array<char, 64>& buffer, std::size_t n) {
  return {buffer.data(), n};
}

/// A text that no page and no buffer divides evenly.
std::string long_text(std::size_t bytes) {
  std::string text(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i)
    text[i] = static_cast<char>('a' + i * 7 % 23);
  return text;
}

template <class T>
std::string message_of(const result<T>& r) {
  return r ? "no error" : r.error().message();
}

}  // namespace

TEST_SUITE_BEGIN("fs/file");

TEST_CASE("file: what is written is read back, at the position and at offsets") {
  on_all_reactors([]() -> task<> {
    temp_dir dir;
    const std::string path = dir.path("a");
    auto f = co_await fs::file::create(path);
    REQUIRE_MESSAGE(f, message_of(f));
    CHECK(f->kind() == fs::file_kind::regular);
    auto n = co_await f->write("hello, ");
    CHECK(n == 7u);
    n = co_await f->write(std::string_view("world"));
    CHECK(n == 5u);
    n = co_await f->pwrite("J", 0);
    CHECK(n == 1u);
    CHECK(dir.get("a") == "Jello, world");

    std::array<char, 64> buffer{};
    n = co_await f->read(buffer);
    CHECK(n == 0u);  // the position is at the end
    n = co_await f->pread(buffer, 7);
    CHECK(n == 5u);
    CHECK(text_of(buffer, 5) == "world");

    auto again = co_await fs::file::open(path);
    REQUIRE(again);
    n = co_await again->read(std::span(buffer).first(5));
    CHECK(n == 5u);
    n = co_await again->read(std::span(buffer).subspan(5));
    CHECK(n == 7u);
    CHECK(text_of(buffer, 12) == "Jello, world");
  });
}

TEST_CASE("file: vectored calls move all buffers in order, at the position and at offsets") {
  on_all_reactors([]() -> task<> {
    temp_dir dir;
    auto f = co_await fs::file::create(dir.path("v"));
    REQUIRE(f);
    const std::array<io::const_buffer, 3> out{"one ", "", "two"};
    auto n = co_await f->writev(out);
    CHECK(n == 7u);
    n = co_await f->pwritev(std::span(out).first(1), 7);
    CHECK(n == 4u);
    CHECK(dir.get("v") == "one twoone ");

    std::string a(3, '?'), b(5, '?');
    const std::vector<io::mutable_buffer> in{a, b};
    n = co_await f->preadv(in, 1);
    CHECK(n == 8u);
    CHECK(a == "ne ");
    CHECK(b == "twoon");
    auto same = co_await fs::file::open(dir.path("v"));
    n = co_await same->readv(in);
    CHECK(n == 8u);
    CHECK(a + b == "one twoo");
  });
}

TEST_CASE("file: read_exact and write_all move all of it or tell how far they came") {
  on_all_reactors([]() -> task<> {
    temp_dir dir;
    const std::string text = long_text(3'000'001);
    auto f = co_await fs::file::create(dir.path("big"));
    REQUIRE(f);
    auto done = co_await f->write_all(text);
    CHECK_MESSAGE(done, message_of(done));
    std::string copy(text.size(), '\0');
    done = co_await f->pread_exact(copy, 0);
    CHECK(done);
    CHECK(copy == text);
    done = co_await f->pwrite_all("xyz", 1);
    CHECK(done);

    auto g = co_await fs::file::open(dir.path("big"));
    done = co_await g->read_exact(std::span(copy).first(4));
    CHECK(done);
    CHECK(copy.substr(0, 4) == text.substr(0, 1) + "xyz");
    copy.resize(text.size());
    done = co_await g->read_exact(copy);
    REQUIRE_FALSE(done);
    CHECK(done.error() == make_error_code(errc::end_of_stream));
    CHECK(done.error().transferred() == text.size() - 4);
    CHECK(done.error().message() ==
          "read " + dir.path("big") + ": end of stream (after 2999997 bytes)");
  });
}

TEST_CASE("file: what the page cache does not hold is read all the same") {
  on_all_reactors([]() -> task<> {
    temp_dir dir;
    const std::string text = long_text(1 << 20);
    auto f = co_await fs::file::open(dir.put("cold", text));
    REQUIRE(f);
    auto done = co_await f->fsync();  // what is not written yet cannot be dropped
    REQUIRE(done);
    std::array<char, 64> buffer;
    for (std::size_t at = 0; at < text.size(); at += text.size() / 8) {
      REQUIRE(::posix_fadvise(f->fd(), 0, 0, POSIX_FADV_DONTNEED) == 0);
      auto n = co_await f->pread(buffer, at);
      CHECK(n == buffer.size());
      CHECK(text_of(buffer, buffer.size()) == text.substr(at, buffer.size()));
    }
  });
}

TEST_CASE("file: append writes at the end, exclusive refuses what is there, truncate empties") {
  on_all_reactors([]() -> task<> {
    temp_dir dir;
    const std::string path = dir.put("log", "one\n");
    {
      auto f = co_await fs::file::open(path, {.read = false, .append = true});
      REQUIRE(f);
      auto n = co_await f->write("two\n");
      CHECK(n == 4u);
    }
    CHECK(dir.get("log") == "one\ntwo\n");
    auto f = co_await fs::file::open(path, {.write = true, .create = true, .exclusive = true});
    CHECK(message_of(f) == "open " + path + ": File exists");
    f = co_await fs::file::open(path, {.write = true, .truncate = true});
    CHECK(f);
    CHECK(dir.get("log").empty());
    f = co_await fs::file::open(dir.path("made"),
                                {.write = true, .create = true, .permissions = 0600});
    REQUIRE(f);
    auto info = co_await f->stat();
    REQUIRE(info);
    CHECK(info->permissions == 0600u);
  });
}

TEST_CASE("file: stat and size tell what the system knows, by descriptor and by path") {
  on_all_reactors([]() -> task<> {
    temp_dir dir;
    const std::string path = dir.put("s", long_text(12345));
    auto f = co_await fs::file::open(path);
    REQUIRE(f);
    auto size = co_await f->size();
    CHECK(size == 12345u);
    auto by_fd = co_await f->stat();
    auto by_path = co_await fs::stat(path);
    REQUIRE(by_fd);
    REQUIRE(by_path);
    CHECK(by_fd->inode == by_path->inode);
    CHECK(by_fd->device == by_path->device);
    CHECK(by_path->kind == fs::file_kind::regular);
    CHECK(by_path->links == 1u);
    CHECK(by_path->user == ::geteuid());
    CHECK(by_path->modified.time_since_epoch() > std::chrono::hours(24 * 365 * 50));
    by_path = co_await fs::stat(dir.path());
    REQUIRE(by_path);
    CHECK(by_path->kind == fs::file_kind::directory);
    by_path = co_await fs::stat(dir.path("none"));
    CHECK(message_of(by_path) == "stat " + dir.path("none") + ": No such file or directory");
    by_path = co_await fs::stat("");
    CHECK(message_of(by_path) == "stat: No such file or directory");
  });
}

TEST_CASE("file: fsync and fdatasync report success, and what has no device to wait for") {
  on_all_reactors([]() -> task<> {
    temp_dir dir;
    auto f = co_await fs::file::create(dir.path("d"));
    REQUIRE(f);
    static_cast<void>(co_await f->write("x"));
    auto done = co_await f->fsync();
    CHECK_MESSAGE(done, message_of(done));
    done = co_await f->fdatasync();
    CHECK(done);
    auto null = co_await fs::file::open("/proc/self/status");
    REQUIRE(null);
    done = co_await null->fsync();
    REQUIRE_FALSE(done);
    CHECK(done.error() == std::errc::invalid_argument);
  });
}

TEST_CASE("file: errors name the operation, the object and the cause") {
  on_all_reactors([]() -> task<> {
    temp_dir dir;
    auto f = co_await fs::file::open(dir.path("none"));
    CHECK(message_of(f) == "open " + dir.path("none") + ": No such file or directory");
    f = co_await fs::file::open(std::string_view("a\0b", 3));
    CHECK(message_of(f) == "open a: Invalid argument");
    f = co_await fs::file::open(dir.path(), {.read = false});
    CHECK(f.error() == std::errc::invalid_argument);
    f = co_await fs::file::open(dir.path(), {.truncate = true});
    CHECK(f.error() == std::errc::invalid_argument);
    ::symlink("elsewhere", dir.path("link").c_str());
    f = co_await fs::file::open(dir.path("link"), {.follow = false});
    CHECK(message_of(f) == "open " + dir.path("link") + ": Too many levels of symbolic links");

    std::array<char, 64> buffer;
    f = co_await fs::file::open(dir.path());
    REQUIRE(f);
    CHECK(f->kind() == fs::file_kind::directory);
    auto n = co_await f->read(buffer);
    CHECK(message_of(n) == "read " + dir.path() + ": Is a directory");
    f = co_await fs::file::open(dir.put("r", "x"));
    n = co_await f->write("y");
    CHECK(n.error() == std::errc::bad_file_descriptor);  // not open for writing
    n = co_await f->pread(buffer, ~std::uint64_t{0});
    CHECK(message_of(n) == "pread " + dir.path("r") + ": Invalid argument");
    auto full = co_await fs::file::open("/dev/full", {.write = true});
    REQUIRE(full);
    auto done = co_await full->write_all("y");
    CHECK(message_of(done) == "write /dev/full: No space left on device");
  });
}

TEST_CASE("file: a path may be text without a NUL behind it") {
  on_all_reactors([]() -> task<> {
    temp_dir dir;
    const std::string longer = dir.put("name", "x") + "-and-more";
    auto f = co_await fs::file::open(std::string_view(longer).substr(0, longer.size() - 9));
    CHECK_MESSAGE(f, message_of(f));
    f = co_await fs::file::open(std::filesystem::path(dir.path("name")));
    CHECK(f);
  });
}

TEST_CASE("file: a closed or moved file refuses with errc::closed") {
  on_all_reactors([]() -> task<> {
    temp_dir dir;
    auto f = co_await fs::file::open(dir.put("c", "x"));
    REQUIRE(f);
    std::array<char, 64> buffer;
    fs::file other = std::move(*f);
    auto n = co_await f->read(buffer);
    CHECK(message_of(n) == "read: closed");
    n = co_await other.read(buffer);
    CHECK(n == 1u);
    auto done = other.close();
    CHECK(done);
    CHECK_FALSE(other);
    done = other.close();
    CHECK(done);
    n = co_await other.pwrite("x", 0);
    CHECK(n.error() == make_error_code(errc::closed));
    done = co_await other.fsync();
    CHECK(done.error() == make_error_code(errc::closed));
    auto info = co_await other.stat();
    CHECK(info.error() == make_error_code(errc::closed));
  });
}

TEST_CASE("file: the owner closes the descriptor, a borrower does not") {
  temp_dir dir;
  const std::string path = dir.put("o", "x");
  const auto is_open = [](int fd) { return ::fcntl(fd, F_GETFD) >= 0; };
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  {
    const fs::file borrowed = fs::file::borrow(fd);
  }
  CHECK(is_open(fd));
  CHECK(fs::file::borrow(fd).close());
  CHECK(is_open(fd));
  {
    fs::file owner = fs::file::adopt(fd);
    CHECK(owner.release() == fd);
  }
  CHECK(is_open(fd));
  {
    fs::file owner = fs::file::adopt(fd);
    owner = fs::file();  // closes what it had
    CHECK_FALSE(is_open(fd));
  }
  CHECK_FALSE(fs::file());
  CHECK(fs::standard_output().fd() == 1);
}

TEST_CASE("file: a routine whose reads are all served from the cache lets others run") {
  // One worker: the other routine runs only if the reader, which never waits, gives way.
  run({.workers = 1}, []() -> task<> {
    temp_dir dir;
    auto f = co_await fs::file::open(dir.put("cached", long_text(1 << 20)));
    REQUIRE(f);
    std::atomic<bool> other_ran = false;
    auto other = go(
        [](std::atomic<bool>* ran) -> task<> {
          *ran = true;
          co_return;
        },
        &other_ran);
    std::string buffer(1 << 20, '\0');
    int reads = 0;
    for (; !other_ran && reads < 1'000'000; ++reads) {
      auto n = co_await f->pread(buffer, 0);
      REQUIRE(n);
    }
    CHECK(other_ran);
    co_await std::move(other);
  });
}

TEST_SUITE_END();
