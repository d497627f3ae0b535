// SPDX-License-Identifier: MIT
// with_timeout, with_deadline and with_context: results, deadlines, and where a stop ends. Of routines that are
// stopped through boundaries: boundary_stop_test.cpp.
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
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

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
task<> nothing() {
  co_return;
}
task<std::unique_ptr<int>> box_of(int n) {
  co_await yield();
  co_return std::make_unique<int>(n);
}
task<result<int>> fallible(bool ok) {
  co_await yield();
  if (!ok) co_return error(errc::closed, "try");
  co_return 4;
}
task<int> fail(const char* text) {
  co_await yield();
  throw std::runtime_error(text);
}

task<int> fail_deeper(const char* text) {
  const result<int> r = co_await with_timeout(1h, fail(text));
  co_return r.value();
}

}  // namespace

TEST_SUITE_BEGIN("sched/boundary");

TEST_CASE("boundary: with_timeout gives what the work returns") {
  everywhere([]() -> task<> {
    const result<int> now = co_await with_timeout(1h, number(1));
    CHECK(now == 1);
    const result<int> soon = co_await with_timeout(1h, later(2));
    CHECK(soon == 2);
    const result<void> none = co_await with_timeout(1h, nothing());
    CHECK(none.has_value());
    auto owned = co_await with_timeout(1h, box_of(3));
    REQUIRE(owned.has_value());
    CHECK(**owned == 3);
    const result<int> until = co_await with_deadline(time_point::max(), later(4));
    CHECK(until == 4);
    const result<int> ever = co_await with_timeout(std::chrono::hours::max(), later(5));
    CHECK(ever == 5);
  });
}

TEST_CASE("boundary: the work may be an operation or a callable") {
  everywhere([]() -> task<> {
    chan<int> c(1);
    c.try_send(6);
    const result<std::optional<int>> got = co_await with_timeout(1h, c.recv());
    REQUIRE(got.has_value());
    CHECK(*got == 6);
    const result<bool> sent = co_await with_context(context::current(), c.send(7));
    CHECK(sent == true);
    const result<void> turned = co_await with_timeout(1h, yield());
    CHECK(turned.has_value());

    int steps = 0;
    const result<int> by_reference = co_await with_timeout(1h, [&]() -> task<int> {
      co_await yield();
      ++steps;
      co_return 8;
    });
    CHECK(by_reference == 8);
    CHECK(steps == 1);
    const std::string word = "kept";
    const auto named = [word]() -> task<std::size_t> {
      co_await yield();
      co_return word.size();
    };
    const result<std::size_t> of_named = co_await with_timeout(1h, named);
    CHECK(of_named == 4u);
    const result<std::size_t> again = co_await with_context(context::background(), named);
    CHECK(again == 4u);
    auto joined = co_await with_timeout(1h, go(later, 9));
    CHECK(joined == 9);
  });
}

TEST_CASE("boundary: a task that returns a result is not nested") {
  everywhere([]() -> task<> {
    auto good = co_await with_timeout(1h, fallible(true));
    static_assert(std::is_same_v<decltype(good), result<int>>);
    CHECK(good == 4);
    auto bad = co_await with_timeout(1h, fallible(false));
    REQUIRE_FALSE(bad.has_value());
    CHECK(bad.error() == make_error_code(errc::closed));
  });
}

TEST_CASE("boundary: what the work throws is rethrown, and the boundary is left") {
  everywhere([]() -> task<> {
    for (const auto work : {fail, fail_deeper}) {
      std::string text;
      try {
        const result<int> r = co_await with_timeout(1h, work("torn"));
        text = r ? "a value" : "an error";
      } catch (const std::runtime_error& e) {
        text = e.what();
      }
      CHECK(text == "torn");
    }
    co_await yield();
    CHECK(context::current() == context::background());
  });
}

TEST_CASE(
    "boundary: at its deadline the work is unwound, innermost frame first, and the caller goes "
    "on") {
  counted::reset();
  in_bubbles([]() -> task<> {
    const time_point begun = sluice::clock::now();
    trace t;
    const result<void> r = co_await with_timeout(10ms, three_frames(&t));
    REQUIRE_FALSE(r.has_value());
    CHECK(r.error() == make_error_code(errc::deadline_exceeded));
    CHECK(t.unwound(3));
    CHECK(sluice::clock::now() - begun == 10ms);
    // The caller's own waits know nothing of it.
    co_await sleep_for(5ms);
    CHECK(sluice::clock::now() - begun == 15ms);

    trace u;
    const result<void> past = co_await with_deadline(begun, three_frames(&u));
    REQUIRE_FALSE(past.has_value());
    CHECK(past.error() == make_error_code(errc::deadline_exceeded));
    CHECK(u.unwound(3));
    CHECK(sluice::clock::now() - begun == 15ms);
  });
  CHECK(counted::balanced());
}

TEST_CASE("boundary: the deadline ends operations and callables, too") {
  in_bubbles([]() -> task<> {
    chan<int> c(0);
    const auto got = co_await with_timeout(1ms, c.recv());
    REQUIRE_FALSE(got.has_value());
    CHECK(got.error() == make_error_code(errc::deadline_exceeded));
    const auto slept = co_await with_timeout(1ms, sleep_for(1h));
    CHECK_FALSE(slept.has_value());
    bool went_on = false;
    const auto called = co_await with_timeout(1ms, [&]() -> task<> {
      co_await wait_for_ever();
      went_on = true;
    });
    CHECK_FALSE(called.has_value());
    CHECK_FALSE(went_on);
    const auto joined = co_await with_timeout(1ms, go([]() -> task<> { co_await sleep_for(1s); }));
    CHECK_FALSE(joined.has_value());
    CHECK_FALSE(c.try_send(1));  // nobody is left in the queue
    co_await sleep_for(2s);
  });
}

TEST_CASE("boundary: a deadline in the past runs the work to its first wait") {
  counted::reset();
  everywhere([]() -> task<> {
    for (const auto d : {0ns, -5ns, duration::min()}) {
      trace t;
      bool begun = false;
      const auto work = [](trace* to, bool* b) -> task<> {
        *b = true;
        co_await three_frames(to);
      };
      const result<void> r = co_await with_timeout(d, work(&t, &begun));
      REQUIRE_FALSE(r.has_value());
      CHECK(r.error() == make_error_code(errc::deadline_exceeded));
      CHECK(begun);
      CHECK(t.unwound(3));
      const result<int> quick = co_await with_timeout(d, number(3));  // never waits
      CHECK(quick == 3);
    }
  });
  CHECK(counted::balanced());
}

TEST_CASE("boundary: nested deadlines, of which the inner or the outer one comes first") {
  counted::reset();
  in_bubbles([]() -> task<> {
    struct seen {
      trace t;
      bool inner_expired = false;
      bool went_on = false;
    };
    const auto nested = [](seen* s, duration inner) -> task<int> {
      const auto r = co_await with_timeout(inner, three_frames(&s->t));
      s->inner_expired = !r && r.error() == make_error_code(errc::deadline_exceeded);
      co_await sleep_for(10ms);
      s->went_on = true;
      co_return 1;
    };
    const time_point begun = sluice::clock::now();
    seen a;
    const result<int> inner_first = co_await with_timeout(30ms, nested(&a, 10ms));
    CHECK(inner_first == 1);
    CHECK(a.t.unwound(3));
    CHECK(a.inner_expired);
    CHECK(sluice::clock::now() - begun == 20ms);

    seen b;
    const result<int> outer_first = co_await with_timeout(10ms, nested(&b, 30ms));
    CHECK_FALSE(outer_first.has_value());
    CHECK(b.t.unwound(3));
    CHECK_FALSE(b.inner_expired);
    CHECK_FALSE(b.went_on);
    CHECK(sluice::clock::now() - begun == 30ms);

    seen c;  // the outer one, while the inner one is over
    const result<int> behind = co_await with_timeout(15ms, nested(&c, 10ms));
    CHECK_FALSE(behind.has_value());
    CHECK(c.inner_expired);
    CHECK_FALSE(c.went_on);
    CHECK(sluice::clock::now() - begun == 45ms);
  });
  CHECK(counted::balanced());
}

TEST_CASE("boundary: a result that is complete wins over a deadline at the same time") {
  static std::atomic<int> delivered, expired;
  delivered = expired = 0;
  in_bubbles(
      []() -> task<> {
        chan<int> c(0);
        const auto send_at = [](chan<int> out) -> task<bool> {
          co_await sleep_for(10ms);
          co_return out.try_send(5);
        };
        auto sender = go(send_at, c);
        const auto got = co_await with_timeout(10ms, c.recv());
        const bool sent = co_await std::move(sender);
        CHECK(sent == got.has_value());
        if (sent) CHECK(*got == 5);
        ++(sent ? delivered : expired);
      },
      200);
  CHECK(delivered > 0);
  CHECK(expired > 0);
}

TEST_CASE("boundary: a wait that was ended before the cancel delivers, the next one inside stops") {
  everywhere([]() -> task<> {
    struct seen {
      int first = 0;
      bool second = false;
    };
    const auto receive_twice = [](context in, chan<int> from, seen* s) -> task<bool> {
      const auto work = [](chan<int> c, seen* to) -> task<> {
        to->first = (co_await c.recv()).value_or(-1);
        static_cast<void>(co_await c.recv());
        to->second = true;
      };
      const result<void> r = co_await with_context(in, work(from, s));
      co_return !r && r.error() == make_error_code(errc::canceled);
    };
    chan<int> c(0);
    seen s;
    auto ctx = context::current().with_cancel();
    auto h = go(receive_twice, context(ctx), c, &s);
    co_await until_waiting(h.id());
    CHECK(c.try_send(41));  // claims the wait
    ctx.cancel();
    const bool stopped = co_await std::move(h);
    CHECK(stopped);
    CHECK(s.first == 41);
    CHECK_FALSE(s.second);
  });
}

TEST_CASE("boundary: what go started inside stops once with_timeout has returned") {
  everywhere([]() -> task<> {
    exits e;
    std::vector<join_handle<>> started;
    const result<void> r = co_await with_timeout(1h, [&]() -> task<> {
      for (int i = 0; i < 10; ++i) {
        started.push_back(go(wait_watched, &e));
        if (i % 3 == 0) co_await yield();
      }
    });
    CHECK(r.has_value());
    for (auto& h : started) {
      const bool stopped = co_await ends_stopped(std::move(h));
      CHECK(stopped);
    }
    CHECK(e.all == 10);
    CHECK(e.unwound == 10);
  });
}

TEST_CASE("boundary: with_context cancels an owner that it was handed when the work has ended") {
  everywhere([]() -> task<> {
    exits e;
    context seen;
    auto work = [&]() -> task<int> {
      seen = context::current();
      go(wait_watched, &e);
      co_await yield();
      co_return 3;
    };
    auto r = co_await with_context(context::current().with_cancel(), work);
    CHECK(r.value() == 3);
    CHECK(seen.err() == errc::canceled);
    while (e.unwound < 1)
      co_await yield();

    owned_context mine = context::current().with_cancel();
    r = co_await with_context(std::move(mine), work());
    CHECK(r.value() == 3);
    CHECK(seen.err() == errc::canceled);
    CHECK(mine == context::background());
    while (e.unwound < 2)
      co_await yield();

    bool thrown = false;
    try {
      r = co_await with_context(context::current().with_cancel(), [&]() -> task<int> {
        seen = context::current();
        throw 1;
        co_return 0;
      });
    } catch (int) {
      thrown = true;
    }
    CHECK(thrown);
    CHECK(seen.err() == errc::canceled);

    const auto late = co_await with_context(context::current().with_timeout(1ms), wait_for_ever());
    REQUIRE_FALSE(late.has_value());
    CHECK(late.error() == errc::deadline_exceeded);
  });
}

TEST_CASE("boundary: with_context that is not awaited cancels an owner that it was handed") {
  owned_context mine = context::background().with_cancel();
  const context plain = mine;
  static_cast<void>(with_context(std::move(mine), wait_for_ever()));
  CHECK(plain.err() == errc::canceled);
}

TEST_CASE("boundary: with_context does not cancel what it was given") {
  everywhere([]() -> task<> {
    auto ctx = context::current().with_cancel();
    chan<int> c(0);
    join_handle<> started;
    const result<void> r = co_await with_context(ctx, [&]() -> task<> {
      started = go([](chan<int> in) -> task<> { static_cast<void>(co_await in.recv()); }, c);
      co_await yield();
    });
    CHECK(r.has_value());
    CHECK_FALSE(ctx.err());
    const bool sent = co_await c.send(1);
    CHECK(sent);
    co_await std::move(started);
  });
}

TEST_CASE(
    "boundary: in a cancelled context the work runs to its first wait, and the caller goes on") {
  counted::reset();
  everywhere([]() -> task<> {
    auto ctx = context::current().with_cancel();
    ctx.cancel(errc::closed);
    trace t;
    bool begun = false;
    const auto work = [](trace* to, bool* b) -> task<> {
      *b = true;
      co_await three_frames(to);
    };
    for (int i = 0; i < 3; ++i) {
      const result<void> r = co_await with_context(ctx, work(&t, &begun));
      REQUIRE_FALSE(r.has_value());
      CHECK(r.error() == make_error_code(errc::closed));  // the cause
      CHECK(begun);
      CHECK(t.unwound(3));
      t.log.clear();
    }
    chan<int> c(1);
    const bool sent = co_await c.send(2);
    CHECK(sent);
    co_await yield();
    const auto got = co_await c.recv();
    CHECK(got == 2);
  });
  CHECK(counted::balanced());
}

TEST_CASE(
    "boundary: one context entered by many routines that wait, run, yield and join, cancelled") {
  counted::reset();
  everywhere([]() -> task<> {
    struct shared {
      exits e;
      std::atomic<int> seen{0};
      std::atomic<int> after{0};
      std::atomic<bool> over{false};
    };
    static constexpr int routines = 60;
    shared s;
    auto ctx = context::current().with_cancel();
    const auto busy = [](shared* x, int kind) -> task<> {
      const leaves l(&x->e);
      if (kind % 4 == 0) co_await wait_for_ever();
      if (kind % 4 == 1) {
        for (;;)
          co_await yield();
      }
      if (kind % 4 == 2) co_await go(wait_for_ever);  // of the context, too
      while (!x->over)
        co_await without_cancel(yield());
      co_await yield();
    };
    const auto enter = [busy](context in, shared* x, int kind) -> task<> {
      const result<void> r = co_await with_context(in, busy(x, kind));
      if (!r && r.error() == make_error_code(errc::canceled)) ++x->seen;
      co_await yield();
      ++x->after;
    };
    std::vector<join_handle<>> all;
    for (int i = 0; i < routines; ++i)
      all.push_back(go(enter, context(ctx), &s, i));
    for (int i = 0; i < 20; ++i)
      co_await yield();
    ctx.cancel();
    s.over = true;
    for (auto& h : all)
      co_await std::move(h);
    CHECK(s.seen == routines);
    CHECK(s.after == routines);
    CHECK(s.e.all == routines);
    CHECK(s.e.unwound == routines);
  });
  CHECK(counted::balanced());
}

TEST_CASE("boundary: one that is not awaited destroys its work unrun") {
  counted::reset();
  everywhere([]() -> task<> {
    const auto work = [](counted /*held*/) -> task<> { co_return; };
    {
      const auto dropped = with_timeout(1h, work(counted(1)));
      const auto another = as_result(work(counted(2)));
    }
    co_await yield();
  });
  CHECK(counted::balanced());
}

TEST_SUITE_END();
