// SPDX-License-Identifier: MIT
// context::after_func: when the function runs, and when it was taken back in time.
#include <sluice/boundary.hpp>
#include <sluice/chan.hpp>
#include <sluice/context.hpp>
#include <sluice/routine.hpp>
#include <sluice/time.hpp>

#include "support/boundaries.hpp"
#include "support/everywhere.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("sched/context after_func");

TEST_CASE("context: after_func runs once, when the context is cancelled") {
  everywhere([]() -> task<> {
    chan<int> ran(10);
    auto ctx = context::current().with_cancel();
    auto h = ctx.after_func([ran] { ran.try_send(1); });
    for (int i = 0; i < 5; ++i)
      co_await yield();
    CHECK(ran.len() == 0);
    ctx.cancel();
    ctx.cancel();
    const auto first = co_await ran.recv();
    CHECK(first == 1);
    for (int i = 0; i < 5; ++i)
      co_await yield();
    CHECK(ran.len() == 0);
    CHECK_FALSE(h.stop());  // too late
    CHECK_FALSE(h.stop());
  });
}

TEST_CASE("context: after_func takes arguments and tasks, which may wait, and see the values") {
  struct number {
    int n = 0;
  };
  everywhere([]() -> task<> {
    chan<std::string> ran(10);
    auto ctx = context::current().with_cancel();
    const context with = ctx.with_value<number>(7);
    const auto send = [](chan<std::string> out, std::string text, int n) -> task<> {
      co_await yield();  // it is not in the cancelled context
      const number* found = context::current().value<number>();
      static_cast<void>(
          co_await out.send(text + std::to_string(n) + (found != nullptr ? "+" : "-")));
    };
    auto h = with.after_func(send, ran, std::string("task"), 1);
    auto unique = [](std::unique_ptr<int> p, chan<std::string> out) {
      out.try_send("plain" + std::to_string(*p));
    };
    auto of_plain = ctx.after_func(unique, std::make_unique<int>(2), ran);
    ctx.cancel();
    std::vector<std::string> got;
    for (int i = 0; i < 2; ++i)
      got.push_back((co_await ran.recv()).value_or("none"));
    if (got[0] != "plain2") std::swap(got[0], got[1]);
    CHECK(got[0] == "plain2");
    CHECK(got[1] == "task1+");
    CHECK_FALSE(h.stop());
    CHECK_FALSE(of_plain.stop());
  });
}

TEST_CASE("context: after_func that is stopped in time does not run, and only once it is in time") {
  everywhere([]() -> task<> {
    std::atomic<int> ran{0};
    auto ctx = context::current().with_cancel();
    for (const int turns : {0, 1, 5}) {
      auto h = ctx.after_func([](std::atomic<int>* n) { ++*n; }, &ran);
      for (int i = 0; i < turns; ++i)
        co_await yield();
      CHECK(h.stop());
      CHECK_FALSE(h.stop());
    }
    ctx.cancel();
    for (int i = 0; i < 10; ++i)
      co_await yield();
    CHECK(ran == 0);
  });
}

TEST_CASE("context: after_func of a cancelled context runs, of one that never is does not") {
  everywhere([]() -> task<> {
    chan<int> ran(4);
    auto ctx = context::current().with_cancel();
    ctx.cancel();
    auto h = ctx.after_func([ran] { ran.try_send(1); });
    const auto got = co_await ran.recv();
    CHECK(got == 1);
    CHECK_FALSE(h.stop());
    auto never = context::background().after_func([ran] { ran.try_send(2); });
    co_await yield();
    CHECK(ran.len() == 0);
    CHECK(never.stop());
    CHECK_FALSE(never.stop());
  });
}

TEST_CASE(
    "context: after_func stays registered when its handle is dropped, and goes with the owner") {
  everywhere([]() -> task<> {
    chan<int> ran(4);
    {
      auto ctx = context::current().with_cancel();
      static_cast<void>(ctx.after_func([ran] { ran.try_send(3); }));
      co_await yield();
    }
    const auto got = co_await ran.recv();
    CHECK(got == 3);
  });
}

TEST_CASE("context: stop and cancel at once: it runs, or it was stopped") {
  static std::atomic<int> stopped, ran;
  stopped = ran = 0;
  const auto body = []() -> task<> {
    for (int i = 0; i < 20; ++i) {
      auto ctx = std::make_unique<owned_context>(context::current().with_cancel());
      chan<int> out(1);
      auto h = ctx->after_func([out] { out.try_send(1); });
      if (i % 2 == 0) co_await yield();
      auto canceller = go([](const owned_context* c) { c->cancel(); }, ctx.get());
      if (i % 3 != 0) co_await yield();
      const bool in_time = h.stop();
      co_await std::move(canceller);
      if (in_time) {
        for (int n = 0; n < 5; ++n)
          co_await yield();
        CHECK(out.len() == 0);
        ++stopped;
      } else {
        const auto got = co_await out.recv();
        CHECK(got == 1);
        ++ran;
      }
    }
  };
  everywhere(body);
  CHECK(stopped > 0);
  CHECK(ran > 0);
}

TEST_CASE("context: after_func runs when a deadline ends the context") {
  in_bubbles([]() -> task<> {
    const time_point begun = sluice::clock::now();
    std::optional<duration> at;
    auto ctx = context::current().with_timeout(10ms);
    auto h = ctx.after_func(
        [](std::optional<duration>* to, time_point from) -> task<> {
          *to = sluice::clock::now() - from;
          co_return;
        },
        &at, begun);
    co_await sleep_for(20ms);
    CHECK(at == 10ms);
    CHECK_FALSE(h.stop());
  });
}

TEST_SUITE_END();
