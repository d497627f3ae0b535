// SPDX-License-Identifier: MIT
// stats: routines by state, counters that sum up, memory.
#include <sluice/blocking.hpp>
#include <sluice/chan.hpp>
#include <sluice/go.hpp>
#include <sluice/routine.hpp>
#include <sluice/runtime.hpp>
#include <sluice/stats.hpp>

#include "support/everywhere.hpp"
#include "support/unwinding.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <semaphore>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;

TEST_SUITE("runtime/stats") {
  TEST_CASE("stats: routines by state sum to the live ones") {
    on_executors([]() -> task<> {
      chan<int> c(0);
      std::vector<join_handle<>> all;
      for (int i = 0; i < 100; ++i) {
        all.push_back(go([](chan<int> in) -> task<> { static_cast<void>(co_await in.recv()); }, c));
      }
      for (const auto& h : all)
        co_await until_waiting(h.id());
      const executor_stats s = stats();
      CHECK(s.routines.waiting == 100);
      CHECK(s.routines.running == 1);
      CHECK(s.routines.live() == 101);
      c.close();
      for (auto& h : all)
        co_await std::move(h);
      CHECK(stats().routines.live() == 1);
    });
  }

  TEST_CASE("stats: what was started has ended when the executor has shut down") {
    for (const int workers : {1, 4}) {
      executor ex({.workers = workers});
      for (int i = 0; i < 300; ++i) {
        static_cast<void>(ex.go(
            [](int n) -> task<> {
              auto h = go([]() -> task<> { co_await yield(); });
              co_await std::move(h);
              if (n % 3 == 0) static_cast<void>(co_await chan<int>().recv());
            },
            i));
      }
      auto last = ex.go([] {});
      std::move(last).get();
      CHECK(ex.shutdown(std::chrono::minutes(1)).empty());
      const executor_stats s = stats(ex);
      CHECK(s.foreign_spawned == 301);
      CHECK(s.total.spawned + s.foreign_spawned == s.total.finished);
      CHECK(s.total.stopped >= 100);
      CHECK(s.total.stopped <= s.total.finished);
      CHECK(s.routines.live() == 0);
      worker_stats sum;
      for (const worker_stats& w : s.workers) {
        sum.spawned += w.spawned;
        sum.finished += w.finished;
        sum.resumed += w.resumed;
        sum.parks += w.parks;
        sum.steals += w.steals;
        sum.stolen += w.stolen;
      }
      CHECK(s.workers.size() == static_cast<std::size_t>(workers));
      CHECK(sum.spawned == s.total.spawned);
      CHECK(sum.finished == s.total.finished);
      CHECK(sum.resumed == s.total.resumed);
      CHECK(sum.parks == s.total.parks);
      CHECK(sum.stolen == s.total.stolen);
      CHECK(sum.steals <= sum.stolen);
      CHECK(s.total.resumed >= s.total.finished);
    }
  }

  TEST_CASE("stats: may be taken by any thread at any time") {
    executor ex({.workers = 2});
    std::thread reader([&ex] {
      for (int i = 0; i < 300; ++i) {
        const executor_stats s = stats(ex);
        CHECK(s.routines.live() <= 2000);
        static_cast<void>(stats());
        static_cast<void>(memory());
      }
    });
    for (int i = 0; i < 300; ++i) {
      auto h = ex.go([]() -> task<int> {
        auto child = go([]() -> task<int> {
          co_await yield();
          co_return 1;
        });
        const int one = co_await std::move(child);
        co_return one;
      });
      CHECK(std::move(h).get() == 1);
    }
    reader.join();
  }

  TEST_CASE("stats: blocking calls show as threads and as a queue") {
    run({.workers = 1, .blocking_threads = 1}, []() -> task<> {
      std::binary_semaphore begun{0};
      std::binary_semaphore release{0};
      auto first = go(
          [](std::binary_semaphore* b, std::binary_semaphore* r) -> task<> {
            auto call = [b, r] {
              b->release();
              r->acquire();
            };
            co_await blocking(call);
          },
          &begun, &release);
      co_await until_waiting(first.id());
      begun.acquire();
      auto second = go([]() -> task<> {
        auto call = [] {};
        co_await blocking(call);
      });
      co_await until_waiting(second.id());
      const executor_stats s = stats();
      CHECK(s.blocking_threads == 1);
      CHECK(s.blocking_queued == 1);
      release.release();
      co_await std::move(first);
      co_await std::move(second);
    });
  }

  TEST_CASE("stats: memory counts frames while they live") {
    run({.workers = 1}, []() -> task<> {
      const memory_stats before = memory();
      chan<int> c(0);
      std::vector<join_handle<>> all;
      for (int i = 0; i < 1000; ++i) {
        all.push_back(go([](chan<int> in) -> task<> { static_cast<void>(co_await in.recv()); }, c));
      }
      const memory_stats during = memory();
      CHECK(during.frame_bytes >= before.frame_bytes + 1000 * 64);
      CHECK(during.frame_peak >= during.frame_bytes);
      CHECK(during.record_bytes >= 1000 * 128);
      c.close();
      for (auto& h : all)
        co_await std::move(h);
      CHECK(memory().frame_bytes <= before.frame_bytes + 4096);
    });
  }
}
