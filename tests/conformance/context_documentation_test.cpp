// SPDX-License-Identifier: MIT
// Over 400 lines: a list. What the documentation of Go's package context says, asked of ours, where no test of
// Go's asks it, and the examples of that documentation; but for AfterFunc.
#include <sluice/chan.hpp>
#include <sluice/routine.hpp>
#include <sluice/runtime.hpp>

#include "conformance/contexts.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;
using namespace std::chrono_literals;
using sluice::testing::bubble;
using sluice::testing::bubble_failure;
using sluice::testing::settle;

// ---- the package

TEST_CASE(
    "context documentation: when a context is cancelled, so are all that are derived from it") {
  bubble([]() -> task<> {
    constexpr std::size_t many = 20'000;
    const owned_context root = context::background().with_cancel();
    std::vector<owned_context> deep;
    std::vector<owned_context> wide;
    context last = root;
    for (std::size_t i = 0; i < many; ++i) {
      deep.push_back(last.with_cancel());
      last = deep.back().with_value<key>("value");
      wide.push_back(root.with_timeout(very_long));
    }
    root.cancel(why::because);
    const auto ended = [](const context& c) {
      return c.err() == canceled && c.cause() == why::because;
    };
    CHECK(std::all_of(deep.begin(), deep.end(), ended));
    CHECK(std::all_of(wide.begin(), wide.end(), ended));
    CHECK(ended(last));
    co_return;
  });
}

TEST_CASE("context documentation: a cancel ends neither what is above nor what is beside") {
  in_bubbles([]() -> task<> {
    const owned_context parent = context::background().with_cancel();
    const owned_context one = parent.with_cancel();
    const owned_context other = parent.with_timeout(1s);
    const owned_context below_other = other.with_cancel();
    one.cancel(why::child);
    check_open(parent);
    check_open(other);
    check_open(below_other);
    co_await below_other.done();
    check_ended(below_other, deadline_exceeded, deadline_exceeded);
    check_open(parent);
    check_ended(one, canceled, why::child);
  });
}

TEST_CASE(
    "context documentation: a cancel stops the timer: the deadline changes nothing any more") {
  in_bubbles([]() -> task<> {
    const owned_context c = context::background().with_timeout(1s, why::too_slow);
    c.cancel(why::finished_early);
    co_await sleep_for(2s);
    check_ended(c, canceled, why::finished_early);
  });
}

TEST_CASE("context documentation: an owner that goes cancels, as a deferred CancelFunc") {
  in_bubbles([]() -> task<> {
    context plain;
    {
      const owned_context c = context::background().with_cancel();
      plain = c;
      check_open(plain);
    }
    check_ended(plain, canceled, canceled);

    owned_context first = context::background().with_cancel();
    plain = first;
    owned_context second = std::move(first);  // and one that was moved does not
    check_open(plain);
    second = context::background().with_cancel();
    check_ended(plain, canceled, canceled);
    check_open(second);
    co_return;
  });
}

TEST_CASE("context documentation: contexts may be used by several routines at once") {
  everywhere([]() -> task<> {
    const owned_context root = context::background().with_cancel();
    const context shared = root.with_value<key>("value");
    std::vector<join_handle<>> users;
    for (int i = 0; i < 8; ++i) {
      users.push_back(go_in(
          context::background(),
          [](context c) -> task<> {
            for (int n = 0; n < 50; ++n) {
              const owned_context child = c.with_cancel();
              const owned_context timed = child.with_timeout(very_long);
              CHECK(timed.value<key>()->text == "value");
              auto after = timed.after_func([] {});
              if (n % 3 == 0) child.cancel(why::child);
              if (n % 2 == 0) static_cast<void>(after.stop());
              co_await yield();
            }
            co_await c.done();
            check_ended(c, canceled, why::because);
          },
          shared));
    }
    for (int n = 0; n < 20; ++n)
      co_await yield();
    root.cancel(why::because);
    for (join_handle<>& h : users)
      co_await std::move(h);
  });
}

TEST_CASE("bubble: a context that outlives it is cancelled with it, as with an executor") {
  const auto make = []() -> task<owned_context> {
    owned_context c = context::background().with_timeout(1h, why::too_slow);
    co_return c;
  };
  const owned_context of_bubble = bubble(make);
  check_ended(of_bubble, canceled, canceled);
  of_bubble.cancel(why::finished_early);
  check_ended(of_bubble, canceled, canceled);
  const owned_context of_executor = run(make);
  check_ended(of_executor, canceled, canceled);
}

// ---- Context

TEST_CASE(
    "context documentation: Deadline says when, always the same, and nothing if there is none") {
  in_bubbles([]() -> task<> {
    const owned_context none = context::background().with_cancel();
    CHECK(!none.deadline().has_value());
    CHECK(!none.with_value<key>("value").deadline().has_value());

    const time_point t = clock::now() + 1s;
    const owned_context c = none.with_deadline(t);
    CHECK(c.deadline() == t);
    CHECK(c.with_value<key>("value").deadline() == t);
    co_await c.done();
    CHECK(c.deadline() == t);

    const owned_context early = none.with_deadline(t + 1h);
    early.cancel();
    CHECK(early.deadline() == t + 1h);
  });
}

TEST_CASE("context documentation: Done wakes all who wait, and who comes later does not wait") {
  in_bubbles([]() -> task<> {
    const owned_context c = context::background().with_cancel();
    std::vector<join_handle<>> waiting;
    for (int i = 0; i < 100; ++i)
      waiting.push_back(go(wait_until_done, context(c)));
    co_await settle();
    c.cancel();
    for (join_handle<>& h : waiting)
      co_await std::move(h);
    co_await c.done();
    co_await c.done();
  });
}

TEST_CASE("context documentation: Done of what cannot be cancelled never comes") {
  const auto wait_for_background = []() -> task<> { co_await context::background().done(); };
  CHECK_THROWS_AS(bubble(wait_for_background), bubble_failure);
  const auto wait_behind_shield = []() -> task<> {
    const owned_context parent = context::background().with_timeout(1s);
    const context c = parent.without_cancel();
    co_await c.done();
  };
  CHECK_THROWS_AS(bubble(wait_behind_shield), bubble_failure);
  in_bubbles([]() -> task<> {
    const auto r = co_await with_timeout(1h, context::background().done());
    CHECK(r.error() == errc::deadline_exceeded);
  });
}

TEST_CASE(
    "context documentation: Done comes with the cancel, the deadline or the parent's end, the "
    "first of them") {
  in_bubbles([]() -> task<> {
    for (const std::chrono::seconds first : {1s, 2s, 3s}) {
      const time_point begun = clock::now();
      const owned_context parent = context::background().with_cancel();
      const owned_context child = parent.with_timeout(first == 1s ? 1s : 10s, why::too_slow);
      auto by_parent = go([&parent, first]() -> task<> {
        co_await sleep_for(first == 2s ? 2s : 10s);
        parent.cancel(why::parent);
      });
      auto by_child = go([&child, first]() -> task<> {
        co_await sleep_for(first == 3s ? 3s : 10s);
        child.cancel(why::child);
      });
      co_await child.done();
      CHECK(clock::now() - begun == first);
      const std::error_code expected = first == 1s   ? why::too_slow
                                       : first == 2s ? why::parent
                                                     : why::child;
      CHECK(child.cause() == expected);
      co_await std::move(by_parent);
      co_await std::move(by_child);
      CHECK(child.cause() == expected);
    }
  });
}

TEST_CASE("context documentation: Err says the deadline or else the cancel, and stays") {
  in_bubbles([]() -> task<> {
    const owned_context cancelled = context::background().with_timeout(1s);
    const owned_context over = context::background().with_timeout(1s);
    cancelled.cancel();
    co_await sleep_for(2s);
    over.cancel(why::finished_early);
    for (int i = 0; i < 2; ++i) {
      check_ended(cancelled, canceled, canceled);
      check_ended(over, deadline_exceeded, deadline_exceeded);
    }
  });
}

TEST_CASE(
    "context documentation: Value is the nearest of its key, always the same, through any kind of "
    "context") {
  in_bubbles([]() -> task<> {
    const context top = context::background().with_value<key>("top");
    const owned_context cancel = top.with_cancel();
    const owned_context timed = cancel.with_timeout(1s);
    const context shield = timed.without_cancel();
    const key* const value = top.value<key>();
    CHECK(shield.value<key>() == value);
    CHECK(timed.value<key>() == value);
    cancel.cancel();
    CHECK(timed.value<key>() == value);
    const context shadow = shield.with_value<key>("shadow");
    CHECK(shadow.value<key>()->text == "shadow");
    CHECK(shield.value<key>() == value);
    co_return;
  });
}

// ---- CancelFunc

namespace {

struct leaving {
  explicit leaving(std::shared_ptr<std::atomic<bool>> flag) : left(std::move(flag)) {}
  leaving(const leaving&) = delete;
  leaving& operator=(const leaving&) = delete;
  ~leaving() { *left = true; }
  std::shared_ptr<std::atomic<bool>> left;
};

task<> work_for_ever(std::shared_ptr<std::atomic<bool>> left) {
  const leaving at_end(std::move(left));
  chan<int> never(0);
  static_cast<void>(co_await never.recv());
}

}  // namespace

TEST_CASE("context documentation: a cancel does not wait for the work to stop") {
  in_bubbles([]() -> task<> {
    const owned_context c = context::background().with_cancel();
    auto left = std::make_shared<std::atomic<bool>>(false);
    auto work = go_in(c, work_for_ever, left);
    co_await settle();
    c.cancel();
    CHECK(!*left);
    CHECK(co_await was_stopped(std::move(work)));
    CHECK(*left);
  });
}

TEST_CASE("context documentation: cancels may be simultaneous, and only the first does something") {
  everywhere([]() -> task<> {
    for (int round = 0; round < 20; ++round) {
      const owned_context c = context::background().with_cancel();
      const owned_context below = c.with_cancel();
      std::vector<join_handle<>> cancellers;
      for (const why w : std::vector<why>{why::parent, why::child, why::too_slow, why::because})
        cancellers.push_back(go(cancel_it, &c, make_error_code(w)));
      co_await c.done();
      const std::error_code first = c.cause();
      CHECK(first.category() == make_error_code(why::parent).category());
      for (join_handle<>& h : cancellers)
        co_await std::move(h);
      check_ended(c, canceled, first);
      check_ended(below, canceled, first);
      c.cancel(why::finished_early);
      check_ended(c, canceled, first);
    }
  });
}

TEST_CASE(
    "context documentation: Cause is what Err is where no cause was given, on any way to the end") {
  in_bubbles([]() -> task<> {
    const owned_context c = context::background().with_timeout(1s, std::error_code());
    const owned_context below = c.with_cancel();
    co_await below.done();
    check_ended(c, deadline_exceeded, deadline_exceeded);
    check_ended(below, deadline_exceeded, deadline_exceeded);
  });
}

TEST_CASE("context documentation: the cause of a deadline is that of all below") {
  in_bubbles([]() -> task<> {
    const owned_context c = context::background().with_timeout(1s, why::too_slow);
    const owned_context below = c.with_value<key>("value").with_cancel();
    co_await below.done();
    check_ended(below, deadline_exceeded, why::too_slow);
    below.cancel(why::child);
    check_ended(below, deadline_exceeded, why::too_slow);
    const owned_context late = below.with_timeout(1h, why::child);
    check_ended(late, deadline_exceeded, why::too_slow);
  });
}

// ---- WithoutCancel, WithDeadline, WithTimeout, WithValue

TEST_CASE(
    "context documentation: WithoutCancel has no Deadline, Err or Cause, whatever its parent has") {
  in_bubbles([]() -> task<> {
    const owned_context parent = context::background().with_timeout(1s, why::too_slow);
    const context before = parent.with_value<key>("value").without_cancel();
    CHECK(!before.deadline().has_value());
    co_await parent.done();
    const context after = parent.without_cancel();
    for (const context* c : std::vector<const context*>{&before, &after}) {
      check_open(*c);
      CHECK(!c->deadline().has_value());
      CHECK(!co_await is_done(*c));
    }
    CHECK(before.value<key>()->text == "value");
  });
}

TEST_CASE("context documentation: what is derived from WithoutCancel has an end of its own") {
  in_bubbles([]() -> task<> {
    const owned_context parent = context::background().with_timeout(1s);
    const context shield = parent.without_cancel();
    const owned_context timed = shield.with_timeout(5s, why::too_slow);
    const owned_context own = shield.with_cancel();
    const time_point t = clock::now() + 5s;
    CHECK(timed.deadline() == t);
    CHECK(!own.deadline().has_value());
    co_await parent.done();
    check_open(timed);
    check_open(own);
    own.cancel(why::child);
    check_ended(own, canceled, why::child);
    co_await timed.done();
    CHECK(clock::now() == t);
    check_ended(timed, deadline_exceeded, why::too_slow);
    check_open(shield);
  });
}

TEST_CASE("context documentation: WithDeadline later than the parent's is the parent's") {
  in_bubbles([]() -> task<> {
    const time_point t = clock::now() + 1s;
    const owned_context parent = context::background().with_deadline(t, why::parent);
    const owned_context child = parent.with_value<key>("value").with_deadline(t + 1s, why::child);
    const owned_context below = child.with_timeout(1h, why::child);
    CHECK(child.deadline() == t);
    CHECK(below.deadline() == t);
    co_await below.done();
    CHECK(clock::now() == t);
    check_ended(child, deadline_exceeded, why::parent);
    check_ended(below, deadline_exceeded, why::parent);

    const owned_context other = context::background().with_timeout(1s, why::parent);
    const owned_context ended = other.with_timeout(1h, why::child);
    ended.cancel();
    check_ended(ended, canceled, canceled);
    check_open(other);
  });
}

TEST_CASE("context documentation: WithDeadline earlier than the parent's ends the child alone") {
  in_bubbles([]() -> task<> {
    const time_point t = clock::now() + 1s;
    const owned_context parent = context::background().with_deadline(t + 1s, why::parent);
    const owned_context child = parent.with_deadline(t, why::child);
    CHECK(child.deadline() == t);
    co_await child.done();
    CHECK(clock::now() == t);
    check_ended(child, deadline_exceeded, why::child);
    check_open(parent);
    CHECK(!co_await is_done(parent));
    co_await parent.done();
    CHECK(clock::now() == t + 1s);
    check_ended(child, deadline_exceeded, why::child);
  });
}

TEST_CASE("context documentation: a cause of WithDeadline is not that of its cancel") {
  in_bubbles([]() -> task<> {
    const owned_context c = context::background().with_deadline(clock::now() + 1s, why::too_slow);
    const owned_context other =
        context::background().with_deadline(clock::now() + 1s, why::too_slow);
    c.cancel();
    check_ended(c, canceled, canceled);
    co_await other.done();
    check_ended(other, deadline_exceeded, why::too_slow);
  });
}

TEST_CASE("context documentation: WithTimeout is WithDeadline from now on") {
  in_bubbles([]() -> task<> {
    co_await sleep_for(3s);
    const context bg = context::background();
    const owned_context c = bg.with_timeout(1s);
    CHECK(c.deadline() == clock::now() + 1s);
    const owned_context none = bg.with_timeout(-1s, why::too_slow);
    check_ended(none, deadline_exceeded, why::too_slow);
    const owned_context farthest = bg.with_timeout(std::chrono::hours::max());
    co_await sleep_for(very_long);
    check_open(farthest);
    check_ended(c, deadline_exceeded, deadline_exceeded);
  });
}

TEST_CASE("context documentation: WithValue leaves the rest to its parent") {
  in_bubbles([]() -> task<> {
    const owned_context parent = context::background().with_timeout(1s, why::too_slow);
    const context c = parent.with_value<key>("value");
    CHECK(c.deadline() == parent.deadline());
    check_open(c);
    CHECK(parent.value<key>() == nullptr);
    co_await c.done();
    check_ended(c, deadline_exceeded, why::too_slow);
    CHECK(co_await is_done(parent));
  });
}

// ---- the examples

namespace {

/// Sends 1, 2, ... until it is stopped.
task<> count_up(send_chan<int> out, std::shared_ptr<std::atomic<bool>> left) {
  const leaving at_end(std::move(left));
  for (int n = 1;; ++n)
    co_await out.send(n);
}

}  // namespace

TEST_CASE("context: ExampleWithCancel") {
  in_bubbles([]() -> task<> {
    auto left = std::make_shared<std::atomic<bool>>(false);
    {
      const owned_context c = context::background().with_cancel();
      chan<int> numbers(0);
      go_in(c, count_up, numbers, left);
      for (int expected = 1; expected <= 5; ++expected)
        CHECK((co_await numbers.recv()).value_or(0) == expected);
      CHECK(!*left);
    }
    co_await settle();
    CHECK(*left);
  });
}

TEST_CASE("context: ExampleWithDeadline") {
  in_bubbles([]() -> task<> {
    chan<int> never(0);
    const owned_context c = context::background().with_deadline(clock::now() + short_time);
    const auto r = co_await with_context(c, never.recv());
    CHECK(r.error() == errc::deadline_exceeded);
    CHECK(c.err() == errc::deadline_exceeded);
  });
}

TEST_CASE("context: ExampleWithTimeout") {
  in_bubbles([]() -> task<> {
    chan<int> never(0);
    const owned_context c = context::background().with_timeout(short_time, why::too_slow);
    const auto r = co_await with_context(c, never.recv());
    CHECK(r.error() == why::too_slow);
    const auto ambient = co_await with_timeout(short_time, never.recv());
    CHECK(ambient.error() == errc::deadline_exceeded);
  });
}

TEST_CASE("context: ExampleWithValue") {
  struct language {
    std::string name;
  };
  struct color {
    std::string name;
  };
  const context c = context::background().with_value<language>("C++");
  REQUIRE(c.value<language>() != nullptr);
  CHECK(c.value<language>()->name == "C++");
  CHECK(c.value<color>() == nullptr);
}
