// SPDX-License-Identifier: MIT
// Pausing: who walks the routines sees those that do not run as they were left, and none that runs.
// sched/worker.cpp (serve, enter_routine, hold_still, park) and executor_core.cpp, as they are.
#include "model/support/bench.hpp"
#include "model/support/check.hpp"

#include <coroutine>

namespace {

using namespace sluice::detail;
using model::run;
using model_test::bench;

/// A frame that is resumed as a task's is.
class body {
 public:
  struct promise_type {
    body get_return_object() noexcept {
      return body(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept {}
  };
  body(const body&) = delete;
  body& operator=(const body&) = delete;
  ~body() { frame.destroy(); }

  const std::coroutine_handle<> frame;

 private:
  explicit body(std::coroutine_handle<> f) noexcept : frame(f) {}
};

/// A routine whose frames are `value`: written whenever it runs, looked at by who walks the routines.
struct walked : routine {
  model::plain<int> value{0};
};

/// Yields once, then has the worker leave.
body yield_once(walked& r, worker& w) {
  r.value = 2;
  w.end = verdict::yielded;
  co_await std::suspend_always{};
  r.value = 3;
  w.request(attention_exit);
  co_await std::suspend_always{};
}

void start(bench& b, walked& r, const body& code) {
  r.executor = &b.ex;
  r.leaf = code.frame;
  r.value = 1;
  r.claim.make_runnable();
  b.ex.inject(r);
}

void walk(bench& b, walked& r) {
  executor_core::while_paused({&b.ex}, [&r](bool still) {
    model::require(still, "a worker does not hold still");
    if (r.claim.peek() != claim_word::claimed) return;
    static_cast<void>(r.hop.get());
    model::require(r.value != 0, "a routine is seen before it is made");
  });
}

/// A routine runs twice on a worker that begins and leaves, while the routines are walked.
/// `walks`: one after the other. `comes_late`: from outside, so that the worker may be parked.
void walk_meets_runs(run& x, int walks, bool comes_late) {
  bench b(1);
  walked r;
  const body code = yield_once(r, b.worker(0));
  if (comes_late) {
    x.thread("foreign", [&] { start(b, r, code); });
  } else {
    start(b, r, code);
  }
  x.thread("worker", [&] { model_test::serve_whole(b.worker(0)); });
  x.thread("walker", [&b, &r, walks] {
    for (int i = 0; i < walks; ++i)
      walk(b, r);
  });
  x.join();
  model::require(r.value == 3, "a routine is left behind");
}

[[maybe_unused]] void walk_against_runs(run& x) {
  walk_meets_runs(x, 1, false);
}
[[maybe_unused]] void walk_against_waking(run& x) {
  walk_meets_runs(x, 1, true);
}
/// A worker on its way out of the first pause looks still to the second.
[[maybe_unused]] void walk_twice(run& x) {
  walk_meets_runs(x, 2, false);
}

}  // namespace

#if !defined(MODEL_FAULT)

TEST_SUITE("model/pausing") {
  TEST_CASE("pausing: routines are walked while a worker runs one") {
    model_test::holds_both_ways("pausing, two runs", {.preemptions = 4, .stale = 4},
                                walk_against_runs);
  }

  TEST_CASE("pausing: routines are walked while a worker is woken") {
    model_test::holds_both_ways("pausing, waking", {.preemptions = 3, .stale = 2},
                                walk_against_waking);
  }

  TEST_CASE("pausing: one pause after the other") {
    model_test::holds_both_ways("pausing, twice", {.preemptions = 4, .stale = 3}, walk_twice);
  }

  TEST_CASE("pausing: an order that is too weak is found") {
    using enum std::memory_order;
    model_test::finds("race", "pausing, a worker holds still without a release",
                      {.weaken = {{"worker.cpp", "hold_still", model::stores, release, relaxed}}},
                      walk_against_runs);
    model_test::finds(
        "race", "pausing, stillness is seen without an acquire",
        {.weaken = {{"executor_core.cpp", "is_still", model::loads, seq_cst, relaxed}}},
        walk_against_runs);
    model_test::finds("race", "pausing, the end of stillness is only released",
                      {.preemptions = 4,
                       .weaken = {{"worker.cpp", "hold_still", model::stores, seq_cst, release}}},
                      walk_twice);
    model_test::finds(
        "race", "pausing, stillness may be that of the last pause",
        {.preemptions = 4,
         .weaken = {{"executor_core.cpp", "is_still", model::loads, seq_cst, acquire}}},
        walk_twice);
    model_test::finds("race", "pausing, a pause ends without a release",
                      {.weaken = {{"worker.cpp", "withdraw", model::changes, release, relaxed}}},
                      walk_against_runs);
    model_test::finds(
        "race", "pausing, a tick is only released",
        {.weaken = {{"asymmetric.hpp", "light_store", model::stores, seq_cst, release}}},
        walk_against_runs);
    model_test::finds(
        "race", "pausing, a request is looked for with acquire only",
        {.weaken = {{"asymmetric.hpp", "light_load", model::loads, seq_cst, acquire}}},
        walk_against_runs);
    model_test::finds(
        "race", "pausing, the ticks are looked at with relaxed",
        {.weaken = {{"executor_core.cpp", "is_in_routine", model::loads, seq_cst, relaxed}}},
        walk_against_runs);
  }
}

#else

TEST_SUITE("model/pausing, faulty") {
  TEST_CASE("pausing: " MODEL_FAULT " is found") {
    model_test::finds("race", "pausing, " MODEL_FAULT, {.membarrier = true}, MODEL_PROGRAM);
  }
}

#endif
