// SPDX-License-Identifier: MIT
// What ends waits besides channels and operations: deadlines and the ends of routines, each against a
// stop request. timer_heap.cpp, routine.cpp, time.cpp and worker::finish(), as they are.
#include <sluice/detail/sched/join.hpp>
#include <sluice/time.hpp>

#include "model/support/bench.hpp"
#include "model/support/check.hpp"
#include "sched/wait.hpp"

#include <cstddef>
#include <new>
#include <optional>

namespace {

using namespace sluice::detail;
using model::run;
using model_test::bench;

/// A routine on the only worker, which ends stopped, or done once what it awaited has come.
struct awaiter {
  enum class ending { none, done, stopped };

  awaiter() {
    r.executor = &b.ex;
    r.hop = &b.worker(0);
    r.phase.store(routine_phase::live, std::memory_order_relaxed);
  }

  worker& prepare() {
    worker& w = b.become(0);
    w.end = verdict::parked;
    w.awaits_left = awaits_in_a_turn;
    return w;
  }

  void finish(ending how) {
    model::require(end == ending::none, "a routine ends twice");
    end = how;
  }

  /// The worker goes on with whatever comes: that is the routine, after each of its waits, with
  /// `resumed(stopped)`.
  template <class F>
  void serve(F&& resumed) {
    for (;;) {
      routine* next = b.worker(0).next();
      model::require(next == &r && end == ending::none, "a routine is resumed twice");
      r.claim.run();
      if (r.unwinding) r.wait->kind->abandon(*r.wait);
      resumed(r.unwinding);
    }
  }

  bench b{1};
  routine r;
  ending end = ending::none;
};

/// Sleeps for ever, twice, in one place of its frame.
struct sleeper : awaiter {
  void begin() {
    worker& w = prepare();
    op = ::new (room)
        sleep_op(await_site{&r, std::source_location::current()}, sluice::time_point::max());
    op->await_suspend({});
    if (w.end == verdict::stopped) {
      model::retire(room, sizeof room);
      finish(ending::stopped);
    }
  }
  void serve() {
    awaiter::serve([this](bool stopped) {
      model::retire(room, sizeof room);
      if (!stopped && ++slept != 2) return begin();
      finish(stopped ? ending::stopped : ending::done);
    });
  }

  sleep_op* op = nullptr;
  int slept = 0;
  alignas(sleep_op) std::byte room[sizeof(sleep_op)];
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
      if (routine* r = s.b.worker(0).timers.expire(sluice::time_point::max())) s.b.ex.inject(*r);
    }
  });
  x.thread("stopper", [&] { request_stop(s.r); });
  x.join();
  model::require(s.end != awaiter::ending::none, "a wake is lost");
}

/// A routine that somebody waits for. Its record is never given back here.
struct target : routine {
  target() {
    phase.store(routine_phase::live, std::memory_order_relaxed);
    refs.store(9, std::memory_order_relaxed);
  }
  model::plain<int> result{0};
};

struct joiner : awaiter {
  void begin() {
    worker& w = prepare();
    op.emplace(await_site{&r, std::source_location::current()}, routine_ref(&t));
    if (!op->await_suspend({})) {
      take();
    } else if (w.end == verdict::stopped) {
      finish(ending::stopped);
    }
  }
  void take() {
    model::require(t.result == 1, "a result is not seen");
    finish(ending::done);
  }
  void serve() {
    awaiter::serve([this](bool stopped) { stopped ? finish(ending::stopped) : take(); });
  }
  void end_target() {
    t.result = 1;
    b.worker(0).finish(t, false);
  }

  target t;
  std::optional<join_op<int>> op;
};

[[maybe_unused]] void end_against_stop(run& x) {
  joiner j;
  x.daemon("worker", [&] {
    j.begin();
    j.serve();
  });
  x.thread("target", [&] { j.end_target(); });
  x.thread("stopper", [&] { request_stop(j.r); });
  x.join();
  model::require(j.end != awaiter::ending::none, "a wake is lost");
}

[[maybe_unused]] void end_against_join(run& x) {
  joiner j;
  x.daemon("worker", [&] {
    j.begin();
    j.serve();
  });
  x.thread("target", [&] { j.end_target(); });
  x.join();
  model::require(j.end == awaiter::ending::done, "a wake is lost");
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
    model_test::holds_both_ways("join, end", {.preemptions = 4, .stale = 4}, end_against_join);
    model_test::holds_both_ways("join, end against a thread", {.preemptions = 4, .stale = 4},
                                end_against_thread);
  }

  TEST_CASE("join: the end of a routine meets a stop request to who waits for it") {
    model_test::holds_both_ways("join, end against stop", {.preemptions = 2, .stale = 1},
                                end_against_stop);
  }

  TEST_CASE("join: an order that is too weak is found") {
    using enum std::memory_order;
    model_test::finds("race", "join, a routine has finished without a release",
                      {.weaken = {{"worker.cpp", "finish", model::changes, acq_rel, relaxed}}},
                      end_against_join);
    model_test::finds(
        "race", "join, a finished routine is looked at without an acquire",
        {.weaken = {{"routine.cpp", "await_suspend", model::loads, acquire, relaxed}}},
        end_against_join);
  }
}

#else

TEST_SUITE("model/claimers, faulty") {
  TEST_CASE("claimers: " MODEL_FAULT " is found") {
    model_test::finds("", "claimers, " MODEL_FAULT, {.preemptions = 2, .membarrier = true},
                      MODEL_PROGRAM);
  }
}

#endif
