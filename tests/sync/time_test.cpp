// SPDX-License-Identifier: MIT
#include <sluice/chan.hpp>
#include <sluice/go.hpp>
#include <sluice/time.hpp>

#include "support/everywhere.hpp"
#include "support/unwinding.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;
using namespace std::chrono_literals;

TEST_SUITE("sync/time") {
  TEST_CASE("sleep: the clock has moved by the duration, to the nanosecond in a bubble") {
    in_bubbles([]() -> task<> {
      for (const duration d :
           {duration(1ns), duration(999ns), duration(50us), duration(3s), duration(9000h)}) {
        const time_point before = clock::now();
        co_await sleep_for(d);
        CHECK(clock::now() - before == d);
      }
    });
    on_executors([]() -> task<> {
      for (const duration d : {duration(1ns), duration(50us), duration(1ms), duration(3ms)}) {
        const time_point before = clock::now();
        co_await sleep_for(d);
        CHECK(clock::now() - before >= d);
      }
    });
  }

  TEST_CASE("sleep: a duration that is no whole number of nanoseconds is rounded up") {
    in_bubbles([]() -> task<> {
      const time_point before = clock::now();
      co_await sleep_for(std::chrono::duration<double, std::nano>(1.25));
      CHECK(clock::now() - before == 2ns);
      co_await sleep_for(std::chrono::duration<long, std::pico>(1));
      CHECK(clock::now() - before == 3ns);
    });
  }

  TEST_CASE("sleep: zero, negative and past deadlines return at once, without letting others run") {
    everywhere([]() -> task<> {
      chan<int> c(1);
      const std::uint64_t me = this_routine::id();
      co_await sleep_for(0ns);
      co_await sleep_for(-5h);
      co_await sleep_for(duration::min());
      co_await sleep_until(time_point::min());
      co_await sleep_until(clock::now() - 1ns);
      CHECK(this_routine::id() == me);
    });
    in_bubbles([]() -> task<> {
      const time_point before = clock::now();
      co_await sleep_for(0ns);
      co_await sleep_until(before);
      CHECK(clock::now() == before);
    });
  }

  TEST_CASE("sleep: sleepers wake in the order of their deadlines, equal ones once each") {
    in_bubbles([]() -> task<> {
      std::mt19937 random(7);
      chan<int> woken(unbounded);
      std::vector<int> expected;
      std::vector<join_handle<>> all;
      for (int i = 0; i < 200; ++i) {
        const int ms = static_cast<int>(random() % 50);
        expected.push_back(ms);
        all.push_back(go(
            [](int wait, send_chan<int> out) -> task<> {
              co_await sleep_for(std::chrono::milliseconds(wait));
              static_cast<void>(co_await out.send(wait));
            },
            ms, woken));
      }
      std::sort(expected.begin(), expected.end());
      std::vector<int> got;
      for (auto& h : all)
        co_await std::move(h);
      while (auto v = woken.try_recv())
        got.push_back(*v);
      CHECK(got == expected);
    });
  }

  TEST_CASE("sleep: a sleeper that is stopped takes its deadline along") {
    in_bubbles([]() -> task<> {
      const time_point before = clock::now();
      auto h = go([]() -> task<> { co_await sleep_for(1h); });
      co_await until_waiting(h.id());
      h.cancel();
      const bool stopped = co_await ends_stopped(std::move(h));
      CHECK(stopped);
      co_await sleep_for(2h);
      CHECK(clock::now() - before == 2h);
    });
  }

  TEST_CASE("sleep: a deadline in the same instant as a stop ends one way or the other, once") {
    in_bubbles(
        []() -> task<> {
          auto woke = std::make_unique<int>(0);
          auto h = go(
              [](int* n) -> task<> {
                co_await sleep_for(1ms);
                ++*n;
              },
              woke.get());
          co_await sleep_for(1ms);
          h.cancel();
          const bool stopped = co_await ends_stopped(std::move(h));
          CHECK(*woke == (stopped ? 0 : 1));
        },
        64);
  }

  TEST_CASE("sleep: thousands at once on real workers each sleep long enough") {
    on_executors([]() -> task<> {
      std::vector<join_handle<bool>> all;
      for (int i = 0; i < 3000; ++i) {
        all.push_back(go(
            [](int us) -> task<bool> {
              const time_point before = clock::now();
              co_await sleep_for(std::chrono::microseconds(us));
              co_return clock::now() - before >= std::chrono::microseconds(us);
            },
            i % 97 * 10));
      }
      int early = 0;
      for (auto& h : all) {
        const bool enough = co_await std::move(h);
        if (!enough) ++early;
      }
      CHECK(early == 0);
    });
  }
}
