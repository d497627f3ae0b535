// SPDX-License-Identifier: MIT
// An operation in flight, completed by another thread or by its reactor while a stop request is on its
// way: its routine goes on once, with its result, and nobody looks at the operation afterwards.
// sched/operation.cpp, inbox.hpp, wait.cpp and worker.cpp, as they are.
#include "model/support/bench.hpp"
#include "model/support/check.hpp"
#include "sched/wait.hpp"

#include <cerrno>
#include <cstddef>
#include <new>

namespace {

using namespace sluice::detail;
using model::run;
using model_test::bench;

constexpr int result_of_it = 7;

constexpr wait_kind read_kind{sluice::wait_reason::read, nullptr, post_stop_request, nullptr};

class some_operation final : public operation {
 public:
  explicit some_operation(await_site s) noexcept : operation(s, read_kind) {}
};

/// A routine that awaits one operation on the only worker.
struct flight {
  flight() {
    r.executor = &b.ex;
    r.hop = &b.worker(0);
    r.phase.store(routine_phase::live, std::memory_order_relaxed);
  }

  /// Begins the wait. Returns: whether it was not refused.
  bool begin() {
    worker& w = b.become(0);
    w.end = verdict::parked;
    op = ::new (room) some_operation(await_site{&r, std::source_location::current()});
    suspend_on(*op, {});
    if (w.end != verdict::stopped) return true;
    refused = true;
    model::retire(room, sizeof room);
    return false;
  }

  /// The worker goes on with whatever comes: that is the routine, once.
  void serve() {
    for (;;) {
      routine* next = b.worker(0).next();
      model::require(next == &r && !resumed && !refused, "a routine is resumed twice");
      resumed = true;
      result = op->result;
      stopped = r.unwinding;
      model::retire(room, sizeof room);
      r.claim.run();
    }
  }

  void check() const {
    model::require(resumed != refused, "a wake is lost");
    model::require(refused || stopped || result == result_of_it, "a result is lost");
    model::require(!stopped || result == -ECANCELED, "a completed result loses to a stop request");
  }

  bench b{1};
  routine r;
  some_operation* op = nullptr;
  alignas(some_operation) std::byte room[sizeof(some_operation)];
  bool refused = false;
  bool resumed = false;
  bool stopped = false;
  int result = 0;
};

[[maybe_unused]] void completed_elsewhere(run& x) {
  flight f;
  x.daemon("worker", [&] {
    f.begin();
    f.serve();
  });
  x.daemon("pool", [&] {
    auto& started = f.b.io(0).started;
    model::wait_until("an operation", [&] { return started.latest() != nullptr; });
    // An exchange sees the newest. acquire: as the lock of the pool's queue
    complete_remote(*started.exchange(nullptr, std::memory_order_acquire), result_of_it);
  });
  x.thread("stopper", [&] { request_stop(f.r); });
  x.join();
  f.check();
}

[[maybe_unused]] void completed_here(run& x) {
  flight f;
  x.daemon("worker", [&] {
    if (f.begin()) complete(*f.op, result_of_it);
    f.serve();
  });
  x.thread("stopper", [&] { request_stop(f.r); });
  x.join();
  f.check();
}

/// Only the stop request ends it.
[[maybe_unused]] void cancelled(run& x) {
  flight f;
  f.b.io(0).on_cancel = [](operation& op) { complete(op, -ECANCELED); };
  x.daemon("worker", [&] {
    f.begin();
    f.serve();
  });
  x.thread("stopper", [&] { request_stop(f.r); });
  x.join();
  f.check();
}

[[maybe_unused]] void cancelled_twice(run& x) {
  flight f;
  f.b.io(0).on_cancel = [](operation& op) { complete(op, -ECANCELED); };
  x.daemon("worker", [&] {
    f.begin();
    f.serve();
  });
  x.thread("stopper 0", [&] { request_stop(f.r); });
  x.thread("stopper 1", [&] { request_stop(f.r); });
  x.join();
  f.check();
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
    model_test::holds_both_ways("operation, cancelled", {.preemptions = 4, .stale = 4}, cancelled);
    model_test::holds_both_ways("operation, cancelled twice", {.preemptions = 3, .stale = 1},
                                cancelled_twice);
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
                      cancelled);
  }
}

#else

TEST_SUITE("model/operation, faulty") {
  TEST_CASE("operation: " MODEL_FAULT " is found") {
    model_test::finds("", "operation, " MODEL_FAULT, {.preemptions = 2, .membarrier = true},
                      MODEL_PROGRAM);
  }
}

#endif
