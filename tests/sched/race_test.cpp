// SPDX-License-Identifier: MIT
// race: who wins, what becomes of the others, and what stops it.
#include <sluice/boundary.hpp>
#include <sluice/chan.hpp>
#include <sluice/context.hpp>
#include <sluice/race.hpp>
#include <sluice/time.hpp>

#include "support/everywhere.hpp"
#include "support/unwinding.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;
using namespace std::chrono_literals;

namespace {

task<int> number(int n) {
  co_return n;
}
task<int> later(int n) {
  co_await yield();
  co_return n;
}
task<int> after(duration d, int n) {
  co_await sleep_for(d);
  co_return n;
}
task<> nothing() {
  co_await yield();
}
task<int> fail(const char* text) {
  throw std::runtime_error(text);
  co_return 0;
}
task<int> fail_after(duration d, const char* text) {
  co_await sleep_for(d);
  throw std::runtime_error(text);
}
task<int> forever(exits* left) {
  const leaves l(left);
  chan<int> c(0);
  co_return (co_await c.recv()).value_or(0);
}
task<std::unique_ptr<int>> owned(int n) {
  co_await yield();
  co_return std::make_unique<int>(n);
}
task<std::string> text_of_race(duration first, duration second) {
  std::string text = "none";
  try {
    auto r = co_await race(fail_after(first, "first"), fail_after(second, "second"));
    text = std::to_string(r.value());
  } catch (const std::runtime_error& e) {
    text = e.what();
  }
  co_return text;
}

}  // namespace

TEST_CASE("race: the first result in time wins") {
  in_bubbles([]() -> task<> {
    auto r = co_await race(after(3s, 3), after(1s, 1), after(2s, 2));
    CHECK(r.index() == 1);
    CHECK(*r.get<1>() == 1);
    CHECK(!r.get<0>());
    CHECK(!r.get<2>());
    CHECK(r.value() == 1);
  });
}

TEST_CASE("race: losers are stopped, and have ended when it returns") {
  everywhere([]() -> task<> {
    exits left;
    auto r = co_await race(forever(&left), later(7), forever(&left));
    CHECK(r.index() == 1);
    CHECK(r.value() == 7);
    const int before = left.all;
    co_await yield();
    CHECK(left.all == before);  // those that had begun
  });
}

TEST_CASE("race: one that waits for nothing wins before the others begin") {
  in_bubbles([]() -> task<> {
    const auto began = clock::now();
    auto r = co_await race(number(1), after(1h, 2));
    CHECK(r.value() == 1);
    CHECK(clock::now() == began);
  });
}

TEST_CASE("race: types may differ, and may be void") {
  everywhere([]() -> task<> {
    exits left;
    auto r = co_await race(forever(&left), owned(5));
    CHECK(r.index() == 1);
    CHECK(**r.get<1>() == 5);
    auto v = co_await race(nothing(), forever(&left));
    CHECK(v.index() == 0);
    CHECK(v.get<0>());
  });
}

TEST_CASE("race: a failure does not stop the others") {
  everywhere([]() -> task<> {
    auto r = co_await race(fail("one"), later(2));
    CHECK(r.index() == 1);
    CHECK(r.value() == 2);
    auto s = co_await race(later(3), fail("one"));
    CHECK(s.value() == 3);
  });
}

TEST_CASE("race: if all fail it fails with the first failure in time") {
  in_bubbles([]() -> task<> {
    CHECK(co_await text_of_race(1s, 2s) == "first");
    CHECK(co_await text_of_race(2s, 1s) == "second");
  });
}

TEST_CASE("race: a loser that had a result hands it back") {
  // Both have been completed before either is told of the other.
  in_bubbles([]() -> task<> {
    chan<int> a(1), b(1);
    auto from = [](chan<int> c) -> task<int> { co_return (co_await c.recv()).value_or(-1); };
    static_cast<void>(a.try_send(1));
    static_cast<void>(b.try_send(2));
    auto r = co_await race(from(a), from(b));
    const int taken = (r.get<0>() ? 1 : 0) + (r.get<1>() ? 1 : 0);
    CHECK(taken >= 1);
    // No value is lost: it was handed back, or was never taken.
    CHECK(taken + static_cast<int>(a.len() + b.len()) == 2);
  });
}

TEST_CASE("race: a stop of the caller stops all") {
  everywhere([]() -> task<> {
    exits left;
    std::atomic<bool> went_on{false};
    auto h = go(
        [](exits* l, std::atomic<bool>* on) -> task<> {
          auto r = co_await race(forever(l), forever(l));
          *on = r.index() != 2;
        },
        &left, &went_on);
    co_await until_waiting(h.id());
    h.cancel();
    CHECK(co_await was_stopped(std::move(h)));
    CHECK(left.all == 2);
    CHECK(left.unwound == 2);
    CHECK(!went_on);
  });
}

TEST_CASE("race: within a deadline") {
  in_bubbles([]() -> task<> {
    exits left;
    const auto first = [](exits* l) -> task<int> {
      auto r = co_await race(forever(l), forever(l));
      co_return r.value();
    };
    auto r = co_await with_timeout(1s, first(&left));
    CHECK(!r);
    CHECK(r.error() == errc::deadline_exceeded);
    CHECK(left.all == 2);
    CHECK(left.unwound == 2);
  });
}

TEST_CASE("race: a stop after the winner has its result delivers it") {
  everywhere([]() -> task<> {
    std::atomic<int> won{0};
    auto h = go(
        [](std::atomic<int>* w) -> task<> {
          auto r = co_await race(number(4), later(5));
          *w = r.value();
          co_await yield();
          *w = 0;
        },
        &won);
    h.cancel();
    const bool stopped = co_await was_stopped(std::move(h));
    CHECK(stopped);
    // It may have been stopped before it began the race's wait; never behind it.
    CHECK((won == 4 || won == 0));
  });
}
