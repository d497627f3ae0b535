// SPDX-License-Identifier: MIT
// wait_group: counts, waits, and counts routines however they end.
#include <sluice/chan.hpp>
#include <sluice/context.hpp>
#include <sluice/time.hpp>
#include <sluice/wait_group.hpp>

#include "support/everywhere.hpp"

#include <atomic>
#include <chrono>
#include <string>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;
using namespace std::chrono_literals;

namespace {

task<> add_later(std::atomic<int>* sum, int n) {
  co_await yield();
  *sum += n;
}
task<> wait_of(wait_group wg) {
  co_await wg.wait();
}

}  // namespace

TEST_CASE("wait_group: waits for the routines that it has started") {
  everywhere([]() -> task<> {
    std::atomic<int> sum{0};
    wait_group wg;
    for (int i = 1; i <= 1000; ++i)
      wg.go(add_later, &sum, i);
    co_await wg.wait();
    CHECK(sum == 500500);
  });
}

TEST_CASE("wait_group: a plain function, a lambda with captures, a member function") {
  everywhere([]() -> task<> {
    struct counter {
      task<> add(int n) {
        co_await yield();
        sum += n;
      }
      std::atomic<int> sum{0};
    } c;
    wait_group wg;
    wg.go([&c] { c.sum += 1; });
    wg.go(
        [&c](int n) -> task<> {
          co_await yield();
          c.sum += n;
        },
        2);
    wg.go(&counter::add, &c, 4);
    co_await wg.wait();
    CHECK(c.sum == 7);
  });
}

TEST_CASE("wait_group: add and done, by hand") {
  in_bubbles([]() -> task<> {
    wait_group wg;
    wg.add(2);
    auto h = go(wait_of, wg);
    co_await testing::settle();
    wg.done();
    co_await testing::settle();
    CHECK(h.id() != 0);
    wg.add(-1);
    co_await std::move(h);
    co_await wg.wait();  // zero: at once
  });
}

TEST_CASE("wait_group: all who wait go on") {
  everywhere([]() -> task<> {
    wait_group wg, waiting;
    wg.add(1);
    for (int i = 0; i < 50; ++i)
      waiting.go(wait_of, wg);
    co_await yield();
    wg.done();
    co_await waiting.wait();
  });
}

TEST_CASE("wait_group: a negative counter panics, and changes nothing") {
  everywhere([]() -> task<> {
    wait_group wg;
    wg.add(1);
    std::string text;
    try {
      wg.add(-2);
    } catch (const panic_error& e) {
      text = e.what();
    }
    CHECK(text == "wait_group: negative counter");
    wg.done();
    co_await wg.wait();
  });
}

TEST_CASE("wait_group: a routine that is stopped is counted as ended") {
  everywhere([]() -> task<> {
    wait_group wg;
    auto ctx = context::current().with_cancel();
    auto start = [](wait_group g) -> task<> {
      g.go([]() -> task<> {
        chan<int> c(0);
        static_cast<void>(co_await c.recv());
      });
      co_return;
    };
    co_await go_in(ctx, start, wg);
    ctx.cancel();
    co_await wg.wait();
  });
}

TEST_CASE("wait_group: a wait that is stopped leaves the count alone") {
  in_bubbles([]() -> task<> {
    wait_group wg;
    wg.add(1);
    auto r = co_await with_timeout(1s, wg.wait());
    CHECK(!r);
    auto h = go(wait_of, wg);
    co_await testing::settle();
    wg.done();
    co_await std::move(h);
  });
}
