// SPDX-License-Identifier: MIT
// blocking(f): where it runs, what it returns and throws, how many at once.
#include <sluice/blocking.hpp>
#include <sluice/chan.hpp>
#include <sluice/go.hpp>
#include <sluice/routine.hpp>
#include <sluice/runtime.hpp>
#include <sluice/stats.hpp>

#include "support/counted.hpp"
#include "support/everywhere.hpp"
#include "support/unwinding.hpp"

#include <atomic>
#include <latch>
#include <memory>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <unistd.h>

using namespace sluice;
using namespace sluice_test;

TEST_SUITE("runtime/blocking") {
  TEST_CASE("blocking: returns values, references, nothing and what can only be moved") {
    everywhere([]() -> task<> {
      int local = 5;
      const int six = co_await blocking([&local] { return local + 1; });
      CHECK(six == 6);
      int& same = co_await blocking([&local]() -> int& { return local; });
      CHECK(&same == &local);
      co_await blocking([&local] { local = 9; });
      CHECK(local == 9);
      const std::unique_ptr<int> box = co_await blocking([] { return std::make_unique<int>(3); });
      CHECK(*box == 3);
      const std::string text(100, 'x');
      auto owning = [text] { return text.size(); };
      const std::size_t n = co_await blocking(owning);
      CHECK(n == 100);
    });
  }

  TEST_CASE("blocking: what f throws arrives") {
    everywhere([]() -> task<> {
      std::string what;
      try {
        static_cast<void>(co_await blocking([]() -> int { throw std::runtime_error("in f"); }));
      } catch (const std::runtime_error& e) {
        what = e.what();
      }
      CHECK(what == "in f");
      try {
        co_await blocking([] { throw std::runtime_error("void"); });
      } catch (const std::runtime_error& e) {
        what = e.what();
      }
      CHECK(what == "void");
    });
  }

  TEST_CASE("blocking: f runs on another thread, as no routine; the worker goes on") {
    on_executors([]() -> task<> {
      const pid_t mine = ::gettid();
      std::binary_semaphore done{0};
      auto other = go([](std::binary_semaphore* d) { d->release(); }, &done);
      const pid_t theirs = co_await blocking([&done] {
        CHECK(this_routine::id() == 0);
        done.acquire();  // by a routine that runs meanwhile
        return ::gettid();
      });
      CHECK(theirs != mine);
      co_await std::move(other);
    });
  }

  TEST_CASE("blocking: as many at once as the option says; the rest wait their turn") {
    for (const std::size_t limit : {1u, 3u}) {
      run(
          {.workers = 2, .blocking_threads = limit},
          [](std::size_t most) -> task<> {
            struct shared {
              std::atomic<int> running{0};
              std::atomic<int> highest{0};
              std::atomic<int> ran{0};
            };
            auto s = std::make_unique<shared>();
            std::vector<join_handle<>> all;
            for (int i = 0; i < 50; ++i) {
              all.push_back(go(
                  [](shared* x) -> task<> {
                    co_await blocking([x] {
                      const int now = x->running.fetch_add(1) + 1;
                      for (int seen = x->highest.load(); now > seen;) {
                        if (x->highest.compare_exchange_weak(seen, now)) break;
                      }
                      x->ran.fetch_add(1);
                      x->running.fetch_sub(1);
                    });
                  },
                  s.get()));
            }
            for (auto& h : all)
              co_await std::move(h);
            CHECK(s->ran.load() == 50);
            CHECK(s->highest.load() <= static_cast<int>(most));
            CHECK(stats().blocking_threads <= most);
          },
          limit);
    }
  }

  TEST_CASE("blocking: three calls that need each other run side by side") {
    run({.workers = 1, .blocking_threads = 3}, []() -> task<> {
      std::latch all_here(3);
      std::vector<join_handle<>> all;
      for (int i = 0; i < 3; ++i) {
        all.push_back(
            go([](std::latch* l) -> task<> { co_await blocking([l] { l->arrive_and_wait(); }); },
               &all_here));
      }
      for (auto& h : all)
        co_await std::move(h);
      CHECK(all_here.try_wait());
    });
  }

  TEST_CASE("blocking: a channel can be fed from inside the call") {
    on_executors([]() -> task<> {
      chan<int> c(unbounded);
      auto reader = go(
          [](chan<int> in) -> task<int> {
            int sum = 0;
            while (auto v = co_await in.recv())
              sum += *v;
            co_return sum;
          },
          c);
      co_await blocking([&c] {
        for (int i = 0; i < 1000; ++i)
          c.try_send(i);
        c.close();
      });
      const int sum = co_await std::move(reader);
      CHECK(sum == 499'500);
    });
  }
}
