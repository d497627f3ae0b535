// SPDX-License-Identifier: MIT
// What ends waits besides channels and operations: deadlines and the ends of routines, each against a
// stop request. timer_heap.cpp, routine.cpp, time.cpp and worker::finish(), as they are.
#include <sluice/detail/sched/join.hpp>
#include <sluice/detail/sched/start_routine.hpp>
#include <sluice/time.hpp>

#include "model/support/awaiter.hpp"
#include "model/support/check.hpp"
#include "model/support/place.hpp"
#include "sched/wait.hpp"

namespace {

using namespace sluice::detail;
using model::run;
using model_test::awaiter;
using model_test::place;

/// Sleeps for ever, twice, in one place of its frame.
struct sleeper : awaiter {
  void begin() {
    op.make(site(), sluice::time_point::max()).await_suspend({});
    if (!refused()) return;
    op.leave();
    finish(ending::stopped);
  }
  void serve() {
    awaiter::serve([this](bool stopped) {
      op.leave();
      if (!stopped && ++slept != 2) return begin();
      finish(stopped ? ending::stopped : ending::done);
    });
  }

  place<sleep_op> op;
  int slept = 0;
};

/// The monitor takes what is due from a worker that is stuck.
[[maybe_unused]] void deadline_against_stop(run& x) {
  sleeper s;
  x.daemon("worker", [&] {
    s.begin();
    s.serve();
  });
  x.thread("monitor", [&] {
    for (int i = 0; i < 2; ++i) {
      if (routine* r = s.worker().timers.expire(sluice::time_point::max()).routines)
        s.b.ex.inject(*r);
    }
  });
  x.thread("stopper", [&] { request_stop(s.r); });
  x.join();
  s.check_ended();
  model::require(s.worker().timers.size() == 0, "a deadline is left behind");
}

/// A routine that somebody waits for. Its record is never given back here.
struct target : routine {
  target() {
    phase.store(routine_phase::live, std::memory_order_relaxed);
    refs.store(9, std::memory_order_relaxed);
    kind = &kind_of<int>;
  }
  model::plain<int> result{0};
};

struct joiner : awaiter {
  void begin() {
    if (!op.make(site(), routine_ref(&t)).await_suspend({})) {
      take();
    } else if (refused()) {
      leave(ending::stopped);
    }
  }
  void serve() {
    awaiter::serve([this](bool stopped) { stopped ? leave(ending::stopped) : take(); });
  }
  void take() {
    model::require(t.result == 1, "a result is not seen");
    leave(ending::done);
  }
  void leave(ending how) {
    op.leave();
    finish(how);
  }
  void end_target() {
    t.result = 1;
    worker().finish(t, false);
  }

  target t;
  place<join_op<int>> op;
};

/// `Stops`: requests to who waits.
template <int Stops>
[[maybe_unused]] void end_against_join(run& x) {
  joiner j;
  x.daemon("worker", [&] {
    j.begin();
    j.serve();
  });
  x.thread("target", [&] { j.end_target(); });
  if constexpr (Stops == 1) x.thread("stopper", [&] { request_stop(j.r); });
  x.join();
  j.check_ended();
  model::require(Stops == 1 || j.end == awaiter::ending::done, "a routine is stopped by nobody");
}

/// A thread of no executor waits.
[[maybe_unused]] void end_against_thread(run& x) {
  joiner j;
  x.thread("target", [&] { j.end_target(); });
  bool returned = false;
  x.daemon("foreign", [&] {
    routine_ref(&j.t).wait_blocking();
    model::require(j.t.result == 1, "a result is not seen");
    returned = true;
  });
  x.join();
  model::require(returned, "a wake is lost");
}

}  // namespace

#if !defined(MODEL_FAULT)

TEST_SUITE("model/claimers") {
  TEST_CASE("timer: a deadline meets a stop request") {
    model_test::holds_both_ways("timer, deadline against stop", {.preemptions = 2, .stale = 1},
                                deadline_against_stop);
  }

  TEST_CASE("join: a routine ends while another begins to wait for it") {
    model_test::holds_both_ways("join, end", {.preemptions = 4, .stale = 4}, end_against_join<0>);
    model_test::holds_both_ways("join, end against a thread", {.preemptions = 4, .stale = 4},
                                end_against_thread);
  }

  TEST_CASE("join: the end of a routine meets a stop request to who waits for it") {
    model_test::holds_both_ways("join, end against stop", {.preemptions = 2, .stale = 1},
                                end_against_join<1>);
  }

  TEST_CASE("join: an order that is too weak is found") {
    using enum std::memory_order;
    model_test::finds("race", "join, a routine has finished without a release",
                      {.weaken = {{"worker.cpp", "finish", model::changes, acq_rel, relaxed}}},
                      end_against_join<0>);
    model_test::finds(
        "race", "join, a finished routine is looked at without an acquire",
        {.weaken = {{"routine.cpp", "await_suspend", model::loads, acquire, relaxed}}},
        end_against_join<0>);
  }
}

#else

TEST_SUITE("model/claimers, faulty") {
  TEST_CASE("claimers: " MODEL_FAULT " is found") {
    model_test::finds(MODEL_FINDS, "claimers, " MODEL_FAULT, {.preemptions = 2, .membarrier = true},
                      MODEL_PROGRAM);
  }
}

#endif
