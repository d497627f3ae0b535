// SPDX-License-Identifier: MIT
// A std::stop_token that cancels a context, and a context that stops a std::stop_token.
#include <sluice/blocking.hpp>
#include <sluice/boundary.hpp>
#include <sluice/chan.hpp>
#include <sluice/context.hpp>
#include <sluice/error.hpp>
#include <sluice/routine.hpp>
#include <sluice/stop_token.hpp>

#include "support/boundaries.hpp"
#include "support/everywhere.hpp"

#include <atomic>
#include <optional>
#include <stop_token>
#include <system_error>
#include <thread>
#include <utility>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;

TEST_SUITE_BEGIN("sched/stop_token");

TEST_CASE("stop_token: a request cancels the context, by the cause given") {
  everywhere([]() -> task<> {
    std::stop_source source;
    stop_token_context until(source.get_token(), context::current(), errc::closed);
    trace t;
    auto h = go([&until, &t]() -> task<> {
      const result<void> r = co_await with_context(until, three_frames(&t));
      REQUIRE(!r);
      CHECK(r.error() == errc::closed);
    });
    CHECK(!until.err());
    co_await until_waiting(h.id());
    CHECK(source.request_stop());
    co_await std::move(h);
    CHECK(t.unwound(3));
    CHECK(until.err() == errc::canceled);
    CHECK(until.cause() == errc::closed);
  });
}

TEST_CASE(
    "stop_token: a request that was made before counts, one that comes later does not matter") {
  everywhere([]() -> task<> {
    std::stop_source source;
    {
      const stop_token_context unused(source.get_token());
      CHECK(!unused.err());
    }
    CHECK(source.request_stop());
    const stop_token_context until(source.get_token());
    CHECK(until.err() == errc::canceled);
    co_return;
  });
}

TEST_CASE("stop_token: a context without a source behind the token lives and ends as any") {
  everywhere([]() -> task<> {
    const owned_context parent = context::current().with_cancel();
    const stop_token_context until(std::stop_token{}, parent);
    CHECK(!until.err());
    parent.cancel(errc::closed);
    CHECK(until.cause() == errc::closed);
    co_return;
  });
}

TEST_CASE("stop_token: a context that is handed over is cancelled by a request, too") {
  everywhere([]() -> task<> {
    std::stop_source source;
    auto h = go([&source]() -> task<> {
      const result<void> r =
          co_await with_context(stop_token_context(source.get_token()), wait_for_ever());
      CHECK(!r);
    });
    co_await until_waiting(h.id());
    CHECK(source.request_stop());
    co_await std::move(h);
  });
}

TEST_CASE("stop_token: requested by another thread") {
  on_executors([]() -> task<> {
    std::jthread asker;
    std::stop_source source;
    const stop_token_context until(source.get_token());
    asker = std::jthread([&source] { static_cast<void>(source.request_stop()); });
    CHECK(!co_await with_context(until, wait_for_ever()));
  });
}

TEST_CASE("stop_token: of a context, is stopped when that is cancelled") {
  everywhere([]() -> task<> {
    const owned_context ctx = context::current().with_cancel();
    chan<int> told(1);
    const context_stop_token stop(ctx);
    const std::stop_callback tell(stop.get(), [told] { static_cast<void>(told.try_send(1)); });
    CHECK(!stop.get().stop_requested());
    ctx.cancel();
    CHECK((co_await told.recv()).has_value());
    CHECK(stop.get().stop_requested());
  });
}

TEST_CASE("stop_token: of a context, is told no more once its object is gone") {
  everywhere([]() -> task<> {
    const owned_context ctx = context::current().with_cancel();
    std::stop_token kept;
    {
      const context_stop_token stop(ctx);
      kept = stop.get();
    }
    ctx.cancel();
    for (int i = 0; i < 5; ++i)
      co_await yield();
    CHECK(!kept.stop_requested());
  });
}

TEST_CASE("stop_token: of the ambient context, ends a blocking call that looks at it") {
  on_executors([]() -> task<> {
    const owned_context ctx = context::current().with_cancel();
    std::atomic<bool> begun{false};
    auto spin = [&begun]() -> task<int> {
      const context_stop_token stop;
      co_return co_await blocking([&] {
        int looks = 0;
        for (begun = true; !stop.get().stop_requested(); ++looks)
          std::this_thread::yield();
        return looks;
      });
    };
    auto h = go([&]() -> task<> {
      const result<int> looks = co_await with_context(ctx, spin);
      CHECK(looks.has_value());  // what the call returns is delivered
    });
    while (!begun)
      co_await yield();
    ctx.cancel();
    co_await std::move(h);
  });
}

TEST_SUITE_END();
