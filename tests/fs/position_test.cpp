// SPDX-License-Identifier: MIT
// Many routines at one file's own position: nothing is overwritten, nothing is read twice, and who
// waits for its turn can be stopped.
#include <sluice/fs/file.hpp>
#include <sluice/sluice.hpp>

#include "support/everywhere.hpp"
#include "support/faulty_rings.hpp"
#include "support/files.hpp"
#include "support/skip.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

using namespace sluice;
using namespace sluice_test;

namespace {

std::string line_of(int writer, int number) {
  return "writer " + std::to_string(writer) + " line " + std::to_string(number) +
         std::string(static_cast<std::size_t>(number * 7 % 60), '.') + '\n';
}

std::vector<std::string> sorted_lines(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    lines.push_back(text.substr(at, end - at));
    at = end;
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

task<> write_lines(const fs::file* to, int writer, int lines) {
  for (int i = 0; i < lines; ++i) {
    const std::string line = line_of(writer, i);
    auto n = co_await to->write(line);
    CHECK(n == line.size());
  }
}

task<> read_records(const fs::file* from, std::vector<std::string>* got) {
  for (;;) {
    std::string record(8, '\0');
    auto n = co_await from->read(record);
    REQUIRE(n);
    if (*n == 0) co_return;
    CHECK(*n == record.size());
    got->push_back(record);
  }
}

task<> write_one(const fs::file* to, std::string line, int* delivered) {
  auto n = co_await to->write(line);
  CHECK(n == line.size());
  ++*delivered;
}

/// Keeps every thread of a pool of `threads` busy until it is told.
class busy_pool {
 public:
  explicit busy_pool(int threads) : threads_(threads) {
    REQUIRE(::pipe2(ends_, O_CLOEXEC) == 0);
    for (int i = 0; i < threads; ++i) {
      held_.push_back(go([fd = ends_[0]]() -> task<> {
        co_await blocking([fd] {
          char one;
          CHECK(::read(fd, &one, 1) == 1);
        });
      }));
    }
  }
  busy_pool(const busy_pool&) = delete;
  busy_pool& operator=(const busy_pool&) = delete;
  ~busy_pool() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }

  /// Once all are behind each other in the pool, what comes later is behind them.
  task<> settle() {
    for (auto& h : held_)
      co_await until_waiting(h.id());
  }
  task<> release() {
    const std::string all(static_cast<std::size_t>(threads_), 'x');
    CHECK(::write(ends_[1], all.data(), all.size()) == threads_);
    for (auto& h : held_)
      co_await std::move(h);
  }

 private:
  int threads_;
  int ends_[2];
  std::vector<join_handle<>> held_;
};

}  // namespace

TEST_SUITE_BEGIN("fs/position");

TEST_CASE("file: writers at one position overwrite nothing") {
  on_all_reactors([]() -> task<> {
    constexpr int writers = 8, lines = 25;
    temp_dir dir;
    auto file = co_await fs::file::create(dir.path("log"));
    REQUIRE(file);
    std::vector<join_handle<>> all;
    std::string wanted;
    for (int w = 0; w < writers; ++w) {
      all.push_back(go(write_lines, &*file, w, lines));
      for (int i = 0; i < lines; ++i)
        wanted += line_of(w, i);
    }
    for (auto& h : all)
      co_await std::move(h);
    const auto found = sorted_lines(dir.get("log"));
    CHECK(found == sorted_lines(wanted));
  });
}

TEST_CASE("file: readers at one position read each byte once") {
  on_all_reactors([]() -> task<> {
    constexpr int readers = 8, records = 200;
    temp_dir dir;
    std::string content;
    for (int i = 0; i < records; ++i)
      content += std::to_string(1'000'000 + i) + '\n';
    auto file = co_await fs::file::open(dir.put("records", content));
    REQUIRE(file);
    std::vector<std::vector<std::string>> got(readers);
    std::vector<join_handle<>> all;
    for (auto& to : got)
      all.push_back(go(read_records, &*file, &to));
    for (auto& h : all)
      co_await std::move(h);
    std::string found;
    for (const auto& part : got) {
      for (const auto& record : part)
        found += record;
    }
    const auto lines = sorted_lines(found);
    CHECK(lines == sorted_lines(content));
  });
}

TEST_CASE("file: a transfer that waits for its turn at the position is stopped, the others go on") {
  if (!has_io_uring()) return skip("there is no io_uring");
  for (const int workers : {1, 2}) {
    const watchdog dog("turns at a position");
    faulty_executor ex({.workers = workers, .tries_at_once = false});
    ex.run([]() -> task<> {
      temp_dir dir;
      auto file = co_await fs::file::create(dir.path("log"));
      REQUIRE(file);
      busy_pool pool(4);
      co_await pool.settle();
      constexpr int writers = 6;
      int delivered[writers] = {};
      std::vector<join_handle<>> all;
      for (int w = 0; w < writers; ++w) {
        all.push_back(go(write_one, &*file, line_of(w, 0), &delivered[w]));
        co_await until_waiting(all.back().id());
      }
      // The first has its turn but no thread yet; the others wait behind it: one in the middle, the
      // last, and the one whose turn it has become.
      for (const int w : {0, 3, 5, 1}) {
        auto& h = all[static_cast<std::size_t>(w)];
        h.cancel();
        const bool stopped = co_await was_stopped(std::move(h));
        CHECK(stopped);
      }
      co_await pool.release();
      for (const std::size_t w : {2u, 4u})
        co_await std::move(all[w]);
      CHECK(dir.get("log") == line_of(2, 0) + line_of(4, 0));
      CHECK(delivered[2] + delivered[4] == 2);
    });
  }
}

TEST_CASE(
    "file: a transfer at the position that meets a stop request is in the file or was not made") {
  on_all_reactors([]() -> task<> {
    constexpr int writers = 60;
    temp_dir dir;
    auto file = co_await fs::file::create(dir.path("log"));
    REQUIRE(file);
    std::vector<int> delivered(writers);
    std::vector<join_handle<>> all;
    for (int w = 0; w < writers; ++w) {
      const auto at = static_cast<std::size_t>(w);
      all.push_back(go(write_one, &*file, line_of(w, 0), &delivered[at]));
      if (w % 5 == 0) co_await yield();
      if (w % 2 == 0) all[at / 2].cancel();
    }
    std::string wanted;
    for (std::size_t w = 0; w < all.size(); ++w) {
      static_cast<void>(co_await was_stopped(std::move(all[w])));
      if (delivered[w] != 0) wanted += line_of(static_cast<int>(w), 0);
    }
    const auto found = sorted_lines(dir.get("log"));
    CHECK(found == sorted_lines(wanted));
  });
}

TEST_SUITE_END();
