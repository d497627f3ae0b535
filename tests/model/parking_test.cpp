// SPDX-License-Identifier: MIT
// Parking and waking: sched/worker.cpp, idle.cpp, executor_core.cpp and the queues, as they are. No
// routine is left behind while a worker sleeps (lib/HACKING.md, "Parking").
#include "model/support/bench.hpp"
#include "model/support/check.hpp"

namespace {

using namespace sluice::detail;
using model::run;
using model_test::bench;
using model_test::probe;

constexpr int for_ever = 1000;

/// A worker pushes two routines and is stuck in its own; the one in its queue is for the other worker,
/// which is on its way to sleep.
[[maybe_unused]] void push_against_parking(run& x) {
  bench b(2);
  probe p[2];
  x.thread("pusher", [&] {
    worker& w = b.become(0);
    w.push_next(b.push(p[0]));
    w.push_back(b.push(p[1]));
  });
  x.daemon("parker", [&] { b.serve(1, for_ever); });
  x.join();
  p[0].pushed = false;  // in the run-next slot of the stuck worker: the monitor's
  b.check_taken(p);
}

[[maybe_unused]] void inject_against_parking(run& x, int workers) {
  bench b(workers);
  probe p[1];
  x.thread("foreign", [&] { b.ex.inject(b.push(p[0])); });
  for (int i = 0; i < workers; ++i) {
    x.daemon(i == 0 ? "worker 0" : "worker 1", [&b, i] { b.serve(i, for_ever); });
  }
  x.join();
  b.check_taken(p);
}

/// Each worker gets stuck in the first routine that it takes: the next one needs another worker, also if
/// the first one has moved it to its own queue.
template <int N>
[[maybe_unused]] void pushes_and_sleepers(run& x) {
  constexpr const char* names[] = {"worker 1", "worker 2", "worker 3"};
  bench b(N + 1);
  probe p[N];
  x.thread("pusher", [&] {
    worker& w = b.become(0);
    for (probe& each : p)
      w.push_back(b.push(each));
  });
  for (int i = 1; i <= N; ++i)
    x.daemon(names[i - 1], [&b, i] { b.serve(i, 1); });
  x.join();
  b.check_taken(p);
}

/// The same for routines that come from outside, in one batch.
[[maybe_unused]] void batch_from_outside(run& x) {
  bench b(2);
  probe p[2];
  x.thread("foreign", [&] {
    b.push(p[0]).next = &b.push(p[1]);
    b.ex.inject(&p[0], &p[1], 2);
  });
  x.daemon("worker 0", [&] { b.serve(0, 1); });
  x.daemon("worker 1", [&] { b.serve(1, 1); });
  x.join();
  b.check_taken(p);
}

}  // namespace

#if !defined(MODEL_FAULT)

TEST_SUITE("model/parking") {
  TEST_CASE("parking: a push meets a worker on its way to sleep") {
    model_test::holds_both_ways("parking, push", {.preemptions = 4, .stale = 4},
                                push_against_parking);
  }

  TEST_CASE("parking: a foreign push meets a worker on its way to sleep") {
    model_test::holds_both_ways("parking, foreign push, one worker", {.preemptions = 4, .stale = 4},
                                [](run& x) { inject_against_parking(x, 1); });
    model_test::holds_both_ways("parking, foreign push, two workers",
                                {.preemptions = 2, .stale = 2},
                                [](run& x) { inject_against_parking(x, 2); });
  }

  TEST_CASE("parking: two pushes, two workers that take one each") {
    model_test::holds_both_ways("parking, two pushes", {.preemptions = 2, .stale = 1},
                                pushes_and_sleepers<2>);
  }

  TEST_CASE("parking: a batch from outside, two workers that take one each") {
    model_test::holds_both_ways("parking, batch", {.preemptions = 2, .stale = 1},
                                batch_from_outside);
  }

  TEST_CASE("parking: three pushes, three workers that take one each") {
    model_test::holds_both_ways("parking, three pushes", {.preemptions = 1, .stale = 0},
                                pushes_and_sleepers<3>);
  }

  TEST_CASE("parking: pushes meet workers on their way to sleep, three preemptions [long]") {
    model_test::holds_both_ways("parking, foreign push, two workers",
                                {.preemptions = 3, .stale = 1},
                                [](run& x) { inject_against_parking(x, 2); });
    model_test::holds_both_ways("parking, two pushes", {.preemptions = 3, .stale = 0},
                                pushes_and_sleepers<2>);
    model_test::holds_both_ways("parking, batch", {.preemptions = 3, .stale = 0},
                                batch_from_outside);
    model_test::holds_both_ways("parking, three pushes", {.preemptions = 2, .stale = 0},
                                pushes_and_sleepers<3>);
  }

  TEST_CASE("parking: an order that is too weak is found") {
    using enum std::memory_order;
    const char* const text = "left behind";
    model_test::finds(
        text, "parking, push is only a release store",
        {.weaken = {{"asymmetric.hpp", "light_store", model::stores, seq_cst, release}}},
        push_against_parking);
    model_test::finds(
        text, "parking, the pusher looks with acquire only",
        {.weaken = {{"asymmetric.hpp", "light_load", model::loads, seq_cst, acquire}}},
        push_against_parking);
    model_test::finds(text, "parking, the asleep bit is set with acq_rel only",
                      {.weaken = {{"idle.cpp", "idle_set::add", model::changes, seq_cst, acq_rel}}},
                      push_against_parking);
    model_test::finds(text, "parking, the last look is an acquire load",
                      {.weaken = {{"run_queue.hpp", "::size(", model::loads, seq_cst, acquire}}},
                      push_against_parking);
    model_test::finds(text, "parking, the look at the shared queue is an acquire load",
                      {.weaken = {{"inject_queue.hpp", "::size(", model::loads, seq_cst, acquire}}},
                      [](run& x) { inject_against_parking(x, 1); });
    model_test::finds(text, "parking, the shared queue's size is only released",
                      {.weaken = {{"inject_queue.hpp", "push(", model::stores, seq_cst, release}}},
                      [](run& x) { inject_against_parking(x, 1); });
  }
}

#else

TEST_SUITE("model/parking, faulty") {
  TEST_CASE("parking: " MODEL_FAULT " is found") {
    model_test::finds("left behind", "parking, " MODEL_FAULT,
                      {.preemptions = 2, .stale = MODEL_OLD_READS, .membarrier = true},
                      MODEL_PROGRAM);
  }
}

#endif
