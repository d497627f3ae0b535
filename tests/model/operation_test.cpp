// SPDX-License-Identifier: MIT
// An operation in flight, completed by another thread or by its reactor while a stop request is on its
// way: its routine goes on once, with its result, and nobody looks at the operation afterwards.
// sched/operation.cpp, inbox.hpp, wait.cpp and worker.cpp, as they are.
#include "model/support/awaiter.hpp"
#include "model/support/check.hpp"
#include "model/support/place.hpp"
#include "sched/wait.hpp"

#include <cerrno>

namespace {

using namespace sluice::detail;
using model::run;
using model_test::awaiter;

constexpr int result_of_it = 7;

constexpr wait_kind read_kind{sluice::wait_reason::read, nullptr, post_stop_request, nullptr};

class some_operation final : public operation {
 public:
  explicit some_operation(await_site s) noexcept : operation(s, read_kind) {}
};

/// A routine that awaits one operation.
struct flight : awaiter {
  /// Returns: whether the wait was not refused.
  bool begin() {
    suspend_on(op.make(site()), {});
    if (!refused()) return true;
    op.leave();
    finish(ending::stopped);
    return false;
  }
  void serve() {
    awaiter::serve([this](bool stopped) {
      model::require(!stopped || op->result == -ECANCELED,
                     "a completed result loses to a stop request");
      model::require(stopped || op->result == result_of_it, "a result is lost");
      op.leave();
      finish(stopped ? ending::stopped : ending::done);
    });
  }

  model_test::place<some_operation> op;
};

/// `begun()` is called by the worker once the operation is in flight.
template <class F>
void meet_stops(run& x, flight& f, int stops, F&& begun) {
  x.daemon("worker", [&] {
    if (f.begin()) begun();
    f.serve();
  });
  x.thread("stopper 0", [&] { request_stop(f.r); });
  if (stops == 2) x.thread("stopper 1", [&] { request_stop(f.r); });
  x.join();
  f.check_ended();
}

[[maybe_unused]] void completed_elsewhere(run& x) {
  flight f;
  x.daemon("pool", [&] {
    auto& started = f.io().started;
    model::wait_until("an operation", [&] { return started.latest() != nullptr; });
    // An exchange sees the newest. acquire: as the lock of the pool's queue
    complete_remote(*started.exchange(nullptr, std::memory_order_acquire), result_of_it);
  });
  meet_stops(x, f, 1, [] {});
}

[[maybe_unused]] void completed_here(run& x) {
  flight f;
  meet_stops(x, f, 1, [&] { complete(*f.op, result_of_it); });
}

/// Only a stop request ends it.
template <int Stops>
[[maybe_unused]] void cancelled(run& x) {
  flight f;
  f.io().on_cancel = [](operation& op) { complete(op, -ECANCELED); };
  meet_stops(x, f, Stops, [] {});
}

}  // namespace

#if !defined(MODEL_FAULT)

TEST_SUITE("model/operation") {
  TEST_CASE("operation: completed by another thread, a stop request on its way") {
    model_test::holds_both_ways("operation, completed elsewhere", {.preemptions = 3, .stale = 2},
                                completed_elsewhere);
  }

  TEST_CASE("operation: completed by its reactor, a stop request on its way") {
    model_test::holds_both_ways("operation, completed here", {.preemptions = 4, .stale = 4},
                                completed_here);
  }

  TEST_CASE("operation: ended by a stop request, or by two") {
    model_test::holds_both_ways("operation, cancelled", {.preemptions = 4, .stale = 4},
                                cancelled<1>);
    model_test::holds_both_ways("operation, cancelled twice", {.preemptions = 3, .stale = 1},
                                cancelled<2>);
  }

  TEST_CASE("operation: an order that is too weak is found") {
    using enum std::memory_order;
    // One that has come is taken with another that is told of, before it is told of itself.
    model_test::finds("race", "operation, put into an inbox without a release",
                      {.weaken = {{"inbox.hpp", "push", model::changes, seq_cst, relaxed}}},
                      completed_elsewhere);
    model_test::finds("race", "operation, taken out of an inbox without an acquire",
                      {.weaken = {{"inbox.hpp", "take", model::changes, acquire, relaxed},
                                  {"inbox.hpp", "empty", model::loads, seq_cst, relaxed}}},
                      completed_elsewhere);
    model_test::finds("a wake is lost", "operation, a worker is told without an order",
                      {.weaken = {{"worker.cpp", "request", model::changes, seq_cst, relaxed},
                                  {"worker.cpp", "notify", model::changes, seq_cst, relaxed}}},
                      cancelled<1>);
  }
}

#else

TEST_SUITE("model/operation, faulty") {
  TEST_CASE("operation: " MODEL_FAULT " is found") {
    model_test::finds(MODEL_FINDS, "operation, " MODEL_FAULT,
                      {.preemptions = 2, .membarrier = true}, MODEL_PROGRAM);
  }
}

#endif
