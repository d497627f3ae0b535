// SPDX-License-Identifier: MIT
// What Go's tests and documentation say of context.AfterFunc, asked of ours.
#include <sluice/chan.hpp>
#include <sluice/routine.hpp>

#include "conformance/contexts.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;
using namespace std::chrono_literals;
using sluice::testing::settle;

TEST_CASE("context: TestAfterFuncCalledAfterCancel") {
  in_bubbles([]() -> task<> {
    const owned_context c = context::background().with_cancel();
    const runs f;
    auto handle = c.after_func(f.function());
    co_await sleep_for(short_time);
    CHECK(f.count() == 0);
    c.cancel();
    co_await settle();
    CHECK(f.count() == 1);
    CHECK(!handle.stop());
  });
}

TEST_CASE("context: TestAfterFuncCalledAfterTimeout") {
  in_bubbles([]() -> task<> {
    const owned_context c = context::background().with_timeout(short_time);
    chan<time_point> ran(1);
    c.after_func([ran]() -> task<> { static_cast<void>(co_await ran.send(clock::now())); });
    const time_point due = clock::now() + short_time;
    const std::optional<time_point> at = co_await ran.recv();
    REQUIRE(at.has_value());
    CHECK(*at == due);
  });
}

TEST_CASE("context: TestAfterFuncCalledImmediately") {
  in_bubbles([]() -> task<> {
    const owned_context c = context::background().with_cancel();
    c.cancel();
    const runs f;
    c.after_func(f.function());
    co_await settle();
    CHECK(f.count() == 1);
  });
}

TEST_CASE("context: TestAfterFuncNotCalledAfterStop") {
  in_bubbles([]() -> task<> {
    const owned_context c = context::background().with_cancel();
    const runs f;
    auto handle = c.after_func(f.function());
    CHECK(handle.stop());
    c.cancel();
    co_await sleep_for(short_time);
    CHECK(f.count() == 0);
    CHECK(!handle.stop());
  });
}

TEST_CASE("context: TestAfterFuncCalledAsynchronously") {
  // cancel() does not wait for what it starts: here that waits for who called cancel().
  in_bubbles([]() -> task<> {
    const owned_context c = context::background().with_cancel();
    chan<int> values(0);
    auto handle =
        c.after_func([values]() -> task<> { static_cast<void>(co_await values.send(1)); });
    c.cancel();
    CHECK((co_await values.recv()).value_or(0) == 1);
    CHECK(!handle.stop());
  });
}

// ---- the documentation

TEST_CASE(
    "context documentation: AfterFunc calls in a routine of its own, which has the values and may "
    "wait") {
  in_bubbles([]() -> task<> {
    const owned_context c = context::background().with_cancel();
    const context with_key = c.with_value<key>("value");
    chan<std::uint64_t> ran(1);
    with_key.after_func([ran]() -> task<> {
      check_open(context::current());
      CHECK(context::current().value<key>()->text == "value");
      co_await sleep_for(1s);
      static_cast<void>(co_await ran.send(this_routine::id()));
    });
    c.cancel();
    CHECK(!ran.try_recv().has_value());
    const auto id = co_await ran.recv();
    CHECK(id.value_or(0) != this_routine::id());
  });
}

TEST_CASE("context documentation: calls of AfterFunc are independent of each other") {
  in_bubbles([]() -> task<> {
    const owned_context c = context::background().with_cancel();
    const runs first;
    const runs second;
    c.after_func(first.function());
    auto stopped = c.after_func(second.function());
    c.after_func(first.function());
    c.after_func(second.function());
    CHECK(stopped.stop());
    c.cancel();
    co_await settle();
    CHECK(first.count() == 2);
    CHECK(second.count() == 1);
  });
}

TEST_CASE(
    "context documentation: AfterFunc's stop does not wait for the function, nor stop it once it "
    "runs") {
  in_bubbles([]() -> task<> {
    const owned_context c = context::background().with_cancel();
    chan<int> begun(0);
    chan<int> finished(1);
    auto handle = c.after_func([begun, finished]() -> task<> {
      static_cast<void>(co_await begun.send(1));
      co_await sleep_for(1s);
      static_cast<void>(co_await finished.send(1));
    });
    c.cancel();
    static_cast<void>(co_await begun.recv());
    CHECK(!handle.stop());
    CHECK(!finished.try_recv().has_value());
    CHECK((co_await finished.recv()).has_value());
    CHECK(!handle.stop());
  });
}

TEST_CASE(
    "context documentation: AfterFunc's stop is true if, and only if, it kept the function from "
    "running") {
  everywhere([]() -> task<> {
    for (int i = 0; i < 50; ++i) {
      const owned_context c = context::background().with_cancel();
      chan<int> ran(1);
      auto handle = c.after_func([ran]() -> task<> { static_cast<void>(co_await ran.send(1)); });
      auto canceller = go(cancel_it, &c, std::error_code());
      if (i % 2 == 0) co_await yield();
      const bool stopped = handle.stop();
      CHECK(!handle.stop());
      co_await std::move(canceller);
      if (!stopped) {
        CHECK((co_await ran.recv()).has_value());
        continue;
      }
      for (int n = 0; n < 5; ++n)
        co_await yield();
      CHECK(!ran.try_recv().has_value());
    }
  });
}

TEST_CASE(
    "context documentation: AfterFunc of what cannot be cancelled does not run, and can be "
    "stopped") {
  in_bubbles([]() -> task<> {
    const owned_context parent = context::background().with_cancel();
    const runs f;
    auto of_background = context::background().after_func(f.function());
    auto of_shield = parent.without_cancel().after_func(f.function());
    parent.cancel();
    co_await sleep_for(1h);
    CHECK(f.count() == 0);
    CHECK(of_background.stop());
    CHECK(of_shield.stop());
    CHECK(!of_shield.stop());
  });
}

TEST_CASE("context: ExampleAfterFunc_merge") {
  in_bubbles([]() -> task<> {
    for (const bool by_second : std::vector<bool>{false, true}) {
      const owned_context first = context::background().with_cancel();
      const owned_context second = context::background().with_cancel();
      auto merged = std::make_shared<owned_context>(first.with_cancel());
      auto handle =
          second.after_func([merged, from = context(second)] { merged->cancel(from.cause()); });
      if (by_second) {
        second.cancel(why::child);
      } else {
        first.cancel(why::parent);
      }
      co_await merged->done();
      CHECK(merged->cause() == (by_second ? why::child : why::parent));
      CHECK(handle.stop() == !by_second);
    }
  });
}
