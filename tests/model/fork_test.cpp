// SPDX-License-Identifier: MIT
// Forks whose children become routines: their ends against the wait for them, against failures and
// against stop requests. fork.cpp and all that it rests on, as they are, with tasks on workers that serve.
#include <sluice/chan.hpp>
#include <sluice/go.hpp>
#include <sluice/routine.hpp>
#include <sluice/task.hpp>
#include <sluice/time.hpp>
#include <sluice/when_all.hpp>

#include "model/support/check.hpp"
#include "model/support/task_bench.hpp"

#include <cstddef>

namespace {

using namespace sluice::detail;
using model::run;
using model_test::bench;
using model_test::forget_records;

struct failure {};

/// What a program's tasks write, each at a place of its own, and the parent reads.
struct forking {
  explicit forking(int workers) : b((forget_records(), workers)) {}

  class life {
   public:
    life(forking* f, int i) noexcept : f_(f), i_(i) { ++f->live; }
    life(const life&) = delete;
    life& operator=(const life&) = delete;
    ~life() {
      f_->work[i_] = f_->work[i_].get() + 1;
      --f_->live;
    }

   private:
    forking* f_;
    int i_;
  };

  template <class F>
  void start(F body) {
    root = start_routine({&b.ex, std::source_location::current()}, body, this);
  }

  void join(run& x) {
    for (std::size_t i = 0; i < b.ex.workers().size(); ++i) {
      x.daemon(i == 0 ? "worker 0" : "worker 1",
               [this, i] { model_test::serve_whole(b.worker(static_cast<int>(i))); });
    }
    x.join();
    model::require(ended, "a routine is left behind");
  }

  void check_over() {
    for (const model::plain<int>& each : work)
      static_cast<void>(each.get());
    model::require(live == 0, "a child is live behind its fork");
    ended = true;
  }

  bench b;
  routine_ref root;
  model::plain<int> work[4];  // by child
  int live = 0;               // of the checks, as below
  bool ended = false;
};

sluice::task<> yield_once(forking* f, int i) {
  const forking::life l(f, i);
  co_await sluice::yield();
}
[[maybe_unused]] sluice::task<> wait_for_ever(forking* f, int i) {
  const forking::life l(f, i);
  co_await sluice::sleep_until(sluice::time_point::max());
  model::fail("a wait without end ends");
}
[[maybe_unused]] sluice::task<> fail_later(forking* f, int i) {
  const forking::life l(f, i);
  co_await sluice::yield();
  throw failure();
}
sluice::task<> give(forking* f, int i, sluice::chan<int> c) {
  const forking::life l(f, i);
  static_cast<void>(co_await c.send(i));
}
sluice::task<> take(forking* f, int i, sluice::chan<int> c) {
  const forking::life l(f, i);
  static_cast<void>(co_await c.recv());
}

// ---- the roots

[[maybe_unused]] sluice::task<> both_yield(forking* f) {
  co_await sluice::when_all(yield_once(f, 0), yield_once(f, 1));
  f->check_over();
}
/// The root comes to wait by itself, not as a child splits off.
[[maybe_unused]] sluice::task<> one_yields(forking* f) {
  const auto end_at_once = [f]() -> sluice::task<> {
    const forking::life l(f, 1);
    co_return;
  };
  co_await sluice::when_all(end_at_once(), yield_once(f, 0));
  f->check_over();
}
[[maybe_unused]] sluice::task<> meet(forking* f) {
  sluice::chan<int> c(0);
  co_await sluice::when_all(give(f, 0, c), take(f, 1, c));
  f->check_over();
}
[[maybe_unused]] sluice::task<> one_fails(forking* f) {
  bool caught = false;
  try {
    co_await sluice::when_all(fail_later(f, 0), wait_for_ever(f, 1));
  } catch (const failure&) {
    caught = true;
  }
  model::require(caught, "a failure is lost");
  co_await sluice::yield();  // nobody asks the root to stop
  f->check_over();
}
/// A fork that fails in a child whose sibling fails.
[[maybe_unused]] sluice::task<> fail_within(forking* f) {
  try {
    co_await sluice::when_all(fail_later(f, 0), yield_once(f, 1));
  } catch (const failure&) {
  }
  co_await sluice::when_all(wait_for_ever(f, 3));
}
[[maybe_unused]] sluice::task<> fail_within_failing(forking* f) {
  bool caught = false;
  try {
    co_await sluice::when_all(fail_later(f, 2), fail_within(f));
  } catch (const failure&) {
    caught = true;
  }
  model::require(caught, "a failure is lost");
  f->check_over();
}
/// For stop_of(): is ended by a stop only.
[[maybe_unused]] sluice::task<> both_wait(forking* f) {
  struct at_exit {
    explicit at_exit(forking* x) noexcept : f(x) {}
    at_exit(const at_exit&) = delete;
    at_exit& operator=(const at_exit&) = delete;
    ~at_exit() { f->check_over(); }
    forking* f;
  };
  const at_exit over(f);
  co_await sluice::when_all(wait_for_ever(f, 0), wait_for_ever(f, 1));
}

template <auto Body, int Workers>
[[maybe_unused]] void fork_of(run& x) {
  auto* f = new forking(Workers);  // not destroyed where an execution fails: locks may be held
  f->start(Body);
  f->join(x);
  delete f;
}

template <auto Body>
[[maybe_unused]] void stop_of(run& x) {
  auto* f = new forking(1);
  f->start(Body);
  x.thread("stopper", [f] { f->root.request_stop(); });
  f->join(x);
  delete f;
}

}  // namespace

#if !defined(MODEL_FAULT)

TEST_SUITE("model/fork") {
  TEST_CASE("fork: children that yield") {
    model_test::holds_both_ways("fork, two workers", {.preemptions = 2, .stale = 1},
                                fork_of<both_yield, 2>);
    model_test::holds_both_ways("fork, one waits", {.preemptions = 2, .stale = 1},
                                fork_of<one_yields, 2>);
  }

  TEST_CASE("fork: children that meet") {
    model_test::holds_both_ways("fork, children that meet", {.preemptions = 2, .stale = 1},
                                fork_of<meet, 2>);
  }

  TEST_CASE("fork: a child fails, and its sibling is stopped") {
    model_test::holds_both_ways("fork, a failure", {.preemptions = 2, .stale = 0},
                                fork_of<one_fails, 2>);
  }

  TEST_CASE("fork: a failure within a failing fork") {
    model_test::holds_both_ways("fork, two failures", {.preemptions = 1, .stale = 1},
                                fork_of<fail_within_failing, 2>);
  }

  TEST_CASE("fork: a stop request meets a fork") {
    model_test::holds_both_ways("fork, a stop", {.preemptions = 3, .stale = 1}, stop_of<both_wait>);
  }
}

#else

TEST_SUITE("model/fork, faulty") {
  TEST_CASE("fork: " MODEL_FAULT " is found") {
    model_test::finds(MODEL_FINDS, "fork, " MODEL_FAULT,
                      {.preemptions = 2, .stale = MODEL_OLD_READS, .membarrier = true},
                      MODEL_PROGRAM);
  }
}

#endif
