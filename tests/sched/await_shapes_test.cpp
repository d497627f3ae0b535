// SPDX-License-Identifier: MIT
// Wherever an await stands, and whatever boundary the stop ends at: the frames between the two go innermost
// first, each value in them once, as if an exception passed that nobody can catch.
#include "sched/await_shapes.hpp"

#include <sluice/boundary.hpp>
#include <sluice/context.hpp>
#include <sluice/errgroup.hpp>
#include <sluice/error.hpp>
#include <sluice/race.hpp>
#include <sluice/testing/bubble.hpp>
#include <sluice/time.hpp>
#include <sluice/when_all.hpp>

#include "support/boundaries.hpp"
#include "support/skip.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;
using namespace std::chrono_literals;

namespace {

/// What a run comes to besides what the marks see.
struct outcome_of {
  int sum = 0;         // of a shape that was not stopped
  bool as_due = true;  // the boundary told of the stop as it must, and all went on that had to
};

/// How a shape is run in a boundary, and what stops it there.
struct await_boundary {
  const char* name;
  task<> (*run)(await_shape, shape_watch&, outcome_of&);  // a routine of its own
  task<> (*bring_stop)(shape_watch&);
  bool stops_routine;  // the stop goes on to the routine's end
};

// ---- what stops

task<> cancel_context(shape_watch& w) {
  w.context->cancel();
  co_return;
}
task<> cancel_handle(shape_watch& w) {
  w.handle->cancel();
  co_return;
}
task<> cancel_group(shape_watch& w) {
  w.group->cancel();
  co_return;
}
task<> pass_deadline(shape_watch&) {
  co_await sleep_for(2ms);
}
/// A sibling, which fails or wins then.
task<> tell_sibling(shape_watch& w) {
  w.tell.try_send(1);
  while (!w.told)
    co_await yield();
}

// ---- what is stopped

task<int> run_shape(await_shape s, shape_watch& w) {
  const mark outermost(w);
  int sum = -1;
  try {
    sum = co_await s.run(w);
  } catch (...) {
    w.caught = true;
  }
  co_return sum;
}

/// Behind a boundary that gives a result.
task<> behind(const result<int>& r, std::error_code cause, outcome_of& o) {
  if (r) o.sum = *r;
  o.as_due = r || r.error().code() == cause;
  co_await yield();
}

task<> in_with_context(await_shape s, shape_watch& w, outcome_of& o) {
  auto ctx = context::current().with_cancel();
  w.context = &ctx;
  const result<int> r = co_await with_context(ctx, run_shape(s, w));
  co_await behind(r, errc::canceled, o);
}
task<> in_with_timeout(await_shape s, shape_watch& w, outcome_of& o) {
  const result<int> r = co_await with_timeout(1ms, run_shape(s, w));
  co_await behind(r, errc::deadline_exceeded, o);
}
task<> in_as_result(await_shape s, shape_watch& w, outcome_of& o) {
  const result<int> r = co_await as_result(run_shape(s, w));
  o.as_due = r || r.error().code() == make_error_code(errc::canceled);
  if (r) o.sum = *r;
  co_await yield();  // the next wait stops, if that was a stop
  if (!r) o.as_due = false;
}
task<> in_finally(await_shape s, shape_watch& w, outcome_of& o) {
  bool cleaned = false;
  const auto cleanup = [](bool& done) -> task<> {
    co_await yield();
    done = true;
  };
  struct at_exit {
    at_exit(bool& c, outcome_of& x) noexcept : cleaned_(c), o_(x) {}
    at_exit(const at_exit&) = delete;
    at_exit& operator=(const at_exit&) = delete;
    ~at_exit() { o_.as_due = cleaned_; }
    bool& cleaned_;
    outcome_of& o_;
  };
  const at_exit checked(cleaned, o);
  o.sum = co_await finally(run_shape(s, w), cleanup(cleaned));
}
/// A context that ends inside of a shield; the routine itself was asked to stop before.
task<> in_without_cancel(await_shape s, shape_watch& w, outcome_of& o) {
  w.handle->cancel();
  o.as_due = false;
  co_await without_cancel(in_with_context(s, w, o));
  const bool told = o.as_due;
  const result<void> r = co_await as_result(yield());
  o.as_due = told && !r;
}
task<> in_a_group(await_shape s, shape_watch& w, outcome_of& o) {
  const auto body = [&](errgroup& g) -> task<> {
    w.group = &g;
    g.go([&]() -> task<> { o.sum = co_await run_shape(s, w); });
    co_return;
  };
  const result<void> r = co_await errgroup::run(body);
  w.group = nullptr;
  o.as_due = r.has_value();  // cancel() is no failure
  co_await yield();
}

struct sibling_failed : std::runtime_error {
  using std::runtime_error::runtime_error;
};
task<> fails_when_told(shape_watch& w) {
  const std::optional<int> order = co_await w.tell.recv();
  if (!order) co_return;
  w.told = true;
  throw sibling_failed("told");
}
task<int> shape_with_sibling(await_shape s, shape_watch& w) {
  const int sum = co_await run_shape(s, w);
  w.tell.close();
  co_return sum;
}
task<> in_when_all(await_shape s, shape_watch& w, outcome_of& o) {
  try {
    auto [sum] = co_await when_all(shape_with_sibling(s, w), fails_when_told(w));
    o.sum = sum;
  } catch (const sibling_failed&) {
    o.as_due = w.told;
  }
  co_await yield();
}
task<int> wins_when_told(shape_watch& w) {
  static_cast<void>(co_await w.tell.recv());
  w.told = true;
  co_return 0;
}
task<> in_a_race(await_shape s, shape_watch& w, outcome_of& o) {
  auto r = co_await race(run_shape(s, w), wins_when_told(w));
  const bool is_winner = r.index() == 0;
  o.as_due = is_winner || w.told;
  if (is_winner) o.sum = r.value();
  co_await yield();
}
task<int> run_by_pointer(const await_shape* s, shape_watch* w) {
  const int sum = co_await run_shape(*s, *w);
  co_return sum;
}
task<> cancel_joined(shape_watch& w) {
  w.context->cancel();
  co_return;
}
task<> in_a_join(await_shape s, shape_watch& w, outcome_of& o) {
  auto ctx = context::current().with_cancel();
  w.context = &ctx;
  o.as_due = false;
  try {
    o.sum = co_await go_in(ctx, run_by_pointer, &s, &w);
    o.as_due = true;
  } catch (const stopped_error&) {
    o.as_due = w.stopping;
  }
  co_await yield();
}
task<> in_nothing(await_shape s, shape_watch& w, outcome_of& o) {
  o.sum = co_await run_shape(s, w);
}

constexpr await_boundary boundaries[] = {
    {"with_context", in_with_context, cancel_context, false},
    {"with_timeout", in_with_timeout, pass_deadline, false},
    {"as_result", in_as_result, cancel_handle, true},
    {"finally", in_finally, cancel_handle, true},
    {"without_cancel", in_without_cancel, cancel_context, false},
    {"errgroup", in_a_group, cancel_group, false},
    {"when_all", in_when_all, tell_sibling, false},
    {"race", in_a_race, tell_sibling, false},
    {"join", in_a_join, cancel_joined, false},
    {"none", in_nothing, cancel_handle, true},
};

// ---- the runs

task<> stop_when_parked(shape_watch& w) {
  while (!w.parked)
    co_await yield();
  w.stopping = true;
  co_await w.bring_stop(w);
}

/// The routine, whose handle stays where it is until it is over.
task<> whole(const await_boundary* b, await_shape s, shape_watch* w, outcome_of* o,
             chan<int> over) {
  class at_exit {
   public:
    explicit at_exit(chan<int>& c) noexcept : over_(c) {}
    at_exit(const at_exit&) = delete;
    at_exit& operator=(const at_exit&) = delete;
    ~at_exit() { over_.close(); }

   private:
    chan<int>& over_;
  };
  const at_exit told(over);
  co_await b->run(s, *w, *o);
}

task<bool> run_once(const await_boundary& b, await_shape s, shape_watch& w, outcome_of& o) {
  w.bring_stop = b.bring_stop;
  join_handle<> h;
  w.handle = &h;
  chan<int> over(0);
  h = go(whole, &b, s, &w, &o, over);
  if (w.stop_at < s.takes && w.path == stop_path::suspended) co_await stop_when_parked(w);
  static_cast<void>(co_await over.recv());
  const bool stopped = co_await ends_stopped(std::move(h));
  co_return stopped;
}

/// Runs a shape in a boundary, with its step `at` stopped, or none.
void check_run(const await_boundary& b, const await_shape& s, int at, stop_path path,
               std::uint64_t seed) {
  const std::string boundary = b.name, shape = s.name;
  CAPTURE(boundary);
  CAPTURE(shape);
  CAPTURE(at);
  CAPTURE(static_cast<int>(path));
  CAPTURE(seed);
  counted::reset();
  bool ended_stopped = false;
  {
    shape_watch w(at, path);
    outcome_of o;
    ended_stopped = testing::bubble([&] { return run_once(b, s, w, o); },
                                    {.seed = seed, .workers = 1 + static_cast<int>(seed % 4)});
    const bool stops = at < s.takes;
    CHECK(w.stopping == stops);
    CHECK(w.steps == (stops ? at + 1 : s.takes));
    CHECK(w.alive.empty());
    CHECK(w.in_order);
    CHECK(w.as_failing);
    CHECK_FALSE(w.went_on);
    CHECK_FALSE(w.caught);
    CHECK(o.as_due);
    CHECK(o.sum == (stops ? 0 : s.takes * (s.takes + 1) / 2));
    CHECK(ended_stopped == (stops && b.stops_routine));
  }
  CHECK(counted::balanced());
}

}  // namespace

TEST_SUITE("sched/await shapes") {
  TEST_CASE(
      "shapes: wherever the await stands, a stop unwinds up to the boundary, and no further") {
#if defined(SLUICE_TSAN)
    return skip("its routines meet through plain variables, on one thread");
#endif
    constexpr std::uint64_t seeds = 4;
    for (const await_boundary& b : boundaries) {
      for (const await_shape& s : await_shapes) {
        for (int at = 0; at <= s.takes; ++at) {
          for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
            check_run(b, s, at, stop_path::suspended, seed);
            if (at < s.takes) check_run(b, s, at, stop_path::ready, seed);
          }
        }
      }
    }
  }
}
