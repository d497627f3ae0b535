// SPDX-License-Identifier: MIT
// join_handle: values and exceptions of routines, before, while and after they end; get() on threads.
#include <sluice/chan.hpp>
#include <sluice/context.hpp>
#include <sluice/detail/coro/frame_alloc.hpp>
#include <sluice/error.hpp>
#include <sluice/go.hpp>
#include <sluice/routine.hpp>

#include "support/boundaries.hpp"
#include "support/counted.hpp"
#include "support/everywhere.hpp"
#include "support/unwinding.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;

static_assert(!std::is_copy_constructible_v<join_handle<int>>);
static_assert(std::is_nothrow_move_constructible_v<join_handle<int>>);

namespace {

task<std::unique_ptr<int>> make_box(int v) {
  co_await yield();
  co_return std::make_unique<int>(v);
}

task<std::string> panic_of_join(join_handle<int>* h) {
  std::string text;
  try {
    static_cast<void>(co_await std::move(*h));
  } catch (const panic_error& e) {
    text = e.what();
  }
  co_return text;
}

task<int> fail(chan<int> gate) {
  static_cast<void>(co_await gate.recv());
  throw std::runtime_error("failed");
}

task<std::string> what_of(join_handle<int> h) {
  std::string text;
  try {
    static_cast<void>(co_await std::move(h));
  } catch (const std::runtime_error& e) {
    text = e.what();
  }
  co_return text;
}

}  // namespace

TEST_SUITE("sched/join") {
  TEST_CASE("join: before the routine has started, while it waits, after it has ended") {
    everywhere([]() -> task<> {
      const std::unique_ptr<int> first = co_await go(make_box, 1);
      CHECK(*first == 1);

      chan<int> gate(0);
      auto waiting =
          go([](chan<int> in) -> task<int> { co_return (co_await in.recv()).value_or(0); }, gate);
      co_await until_waiting(waiting.id());
      auto opener =
          go([](chan<int> out) -> task<> { static_cast<void>(co_await out.send(2)); }, gate);
      const int second = co_await std::move(waiting);
      CHECK(second == 2);
      co_await std::move(opener);

      auto ended = go(make_box, 3);
      co_await until_waiting(ended.id());
      const std::unique_ptr<int> third = co_await std::move(ended);
      CHECK(*third == 3);
    });
  }

  TEST_CASE("join: references and nothing are results too") {
    static int target;
    everywhere([]() -> task<> {
      auto h = go([]() -> task<int&> {
        co_await yield();
        co_return target;
      });
      int& r = co_await std::move(h);
      CHECK(&r == &target);
      auto n = go([]() -> task<> { co_await yield(); });
      co_await std::move(n);
      CHECK_FALSE(static_cast<bool>(n));
    });
  }

  TEST_CASE("join: an exception arrives, whether the routine ends before or after the await") {
    everywhere([]() -> task<> {
      chan<int> closed(0);
      closed.close();
      auto early = go(fail, closed);
      co_await until_waiting(early.id());
      const std::string first = co_await what_of(std::move(early));
      CHECK(first == "failed");

      chan<int> gate(0);
      auto late = go(fail, gate);
      co_await until_waiting(late.id());
      auto joiner = go(what_of, std::move(late));
      co_await until_waiting(joiner.id());
      gate.close();
      const std::string second = co_await std::move(joiner);
      CHECK(second == "failed");
    });
  }

  TEST_CASE("join: of a handle that was joined, moved from or never set panics") {
    everywhere([]() -> task<> {
      const char* const text = "join_handle: await of a handle that was moved from or joined";
      join_handle<int> none;
      const std::string first = co_await panic_of_join(&none);
      CHECK(first == text);
      auto h = go([]() -> task<int> { co_return 1; });
      auto moved = std::move(h);
      const std::string second = co_await panic_of_join(&h);
      CHECK(second == text);
      const int one = co_await std::move(moved);
      CHECK(one == 1);
      const std::string third = co_await panic_of_join(&moved);
      CHECK(third == text);
      CHECK_FALSE(static_cast<bool>(moved));
    });
  }

  TEST_CASE("join: when it is over, frames, arguments, captures and result are gone") {
    counted::reset();
    everywhere([]() -> task<> {
      for (int i = 0; i < 50; ++i) {
        counted captured(1);
        auto h = go(
            [captured](counted by_value, const counted& by_reference) -> task<counted> {
              counted local(2);
              co_await yield();
              co_return counted(captured.value() + by_value.value() + by_reference.value());
            },
            counted(10), counted(100));
        const int sum = (co_await std::move(h)).value();
        CHECK(sum == 111);
        CHECK(counted::live() == 1);  // `captured` here
      }
    });
    CHECK(counted::balanced());
  }

  TEST_CASE("join: a chain of joiners a thousand long") {
    everywhere([]() -> task<> {
      chan<int> gate(0);
      auto last =
          go([](chan<int> in) -> task<int> { co_return (co_await in.recv()).value_or(0); }, gate);
      for (int i = 0; i < 1000; ++i) {
        last = go(
            [](join_handle<int> h) -> task<int> {
              const int below = co_await std::move(h);
              co_return below + 1;
            },
            std::move(last));
      }
      const bool sent = co_await gate.send(7);
      CHECK(sent);
      const int all = co_await std::move(last);
      CHECK(all == 1007);
    });
  }

  TEST_CASE("join: get on a thread outside waits, returns and throws as a join does") {
    counted::reset();
    for (const int workers : {1, 3}) {
      executor ex({.workers = workers});
      chan<int> gate(0);
      auto waits = ex.go(
          [](chan<int> in) -> task<std::unique_ptr<int>> {
            co_return std::make_unique<int>((co_await in.recv()).value_or(0));
          },
          gate);
      auto sends =
          ex.go([](chan<int> out) -> task<> { static_cast<void>(co_await out.send(4)); }, gate);
      CHECK(*std::move(waits).get() == 4);
      std::move(sends).get();
      gate.close();
      auto fails = ex.go(fail, gate);
      CHECK_THROWS_WITH_AS(std::move(fails).get(), "failed", const std::runtime_error&);
      auto stopped = ex.go([]() -> task<> { static_cast<void>(co_await chan<int>().recv()); });
      stopped.cancel();
      CHECK_THROWS_AS(std::move(stopped).get(), const stopped_error&);
      for (int i = 0; i < 200; ++i) {
        auto h = ex.go([c = counted(1)]() -> task<counted> { co_return counted(c.value() + 1); });
        CHECK(std::move(h).get().value() == 2);
        CHECK(counted::live() == 0);
      }
      join_handle<> none;
      CHECK_THROWS_WITH_AS(std::move(none).get(),
                           "join_handle: get of a handle that was moved from or joined",
                           const panic_error&);
    }
    CHECK(counted::balanced());
  }

  TEST_CASE("join: of a stopped routine, tells why it was stopped") {
    everywhere([]() -> task<> {
      owned_context ctx = context::current().with_cancel();
      auto of_context = go_in(ctx, [] { return wait_for_ever(); });
      auto begun_late = go_in(ctx, [] { return wait_for_ever(); });
      auto by_handle = go_in(ctx, [] { return wait_for_ever(); });
      by_handle.cancel();
      const auto cause_of = [](join_handle<> h) -> task<std::error_code> {
        try {
          co_await std::move(h);
        } catch (const stopped_error& e) {
          co_return e.cause();
        }
        co_return std::error_code{};
      };
      CHECK(co_await cause_of(std::move(by_handle)) == errc::canceled);
      co_await until_waiting(of_context.id());
      ctx.cancel(std::make_error_code(std::errc::no_link));
      ctx = context::current().with_cancel();  // a routine that has ended keeps what it needs
      CHECK(co_await cause_of(std::move(of_context)) == std::errc::no_link);
      CHECK(co_await cause_of(std::move(begun_late)) == std::errc::no_link);
      auto dropped = go_in(ctx, [] { return wait_for_ever(); });
      ctx.cancel();
      dropped = {};
    });
  }

  TEST_CASE("join: get on a worker panics") {
    everywhere([]() -> task<> {
      auto h = go([]() -> task<int> { co_return 1; });
      std::string text;
      try {
        std::move(h).get();
      } catch (const panic_error& e) {
        text = e.what();
      }
      CHECK(text == "join_handle: get on a worker would block it; co_await the handle");
      co_return;
    });
  }

  TEST_CASE("join: a handle outlives its executor") {
    join_handle<int> ended;
    join_handle<int> stopped;
    join_handle<int> dropped;
    {
      executor ex({.workers = 2});
      ended = ex.go([]() -> task<int> { co_return 8; });
      auto last = ex.go([]() -> task<> { co_await yield(); });
      std::move(last).get();
      stopped = ex.go([]() -> task<int> { co_return (co_await chan<int>().recv()).value_or(0); });
      dropped = ex.go([]() -> task<int> { co_return 9; });
    }
    CHECK(std::move(ended).get() == 8);
    CHECK_THROWS_AS(std::move(stopped).get(), const stopped_error&);
    dropped.cancel();
  }

  TEST_CASE("join: routines of one executor join those of another") {
    executor a({.workers = 1});
    executor b({.workers = 2});
    for (int i = 0; i < 200; ++i) {
      auto there = b.go(
          [](int n) -> task<int> {
            for (int k = 0; k < n % 3; ++k)
              co_await yield();
            co_return n;
          },
          i);
      auto here = a.go(
          [](join_handle<int> h) -> task<int> {
            const int n = co_await std::move(h);
            co_return n * 2;
          },
          std::move(there));
      CHECK(std::move(here).get() == 2 * i);
    }
  }
}
