// SPDX-License-Identifier: MIT
// Beginning and ending waits: what every operation that suspends a routine is made with.
//
// A wait goes: refuse() if must_stop(); begin_wait(); then, under the lock of the object waited on,
// enqueue and claim.arm(); unlock; touch nothing more. The object ends it, under the same lock, with
// claim.claim_armed() and then make_runnable(). A stop request ends it with request_stop(); the
// worker then calls the kind's abandon(), which takes the lock, before it destroys a frame.
#pragma once

#include "sched/worker.hpp"

#include <coroutine>
#include <cstddef>

namespace sluice::detail {

/// The worker that runs the routine now. Only for code that runs as the routine.
inline worker& running_on(routine& r) noexcept {
  return static_cast<worker&>(*r.hop);
}

/// Notes where and on what the routine waits. To be followed by claim.arm().
void begin_wait(wait_point& w, std::coroutine_handle<> frame) noexcept;

/// Ends the await without waiting: the routine is unwound once its frame has returned to the worker.
void refuse(wait_point& w, std::coroutine_handle<> frame) noexcept;

/// For `await_suspend`, when what is awaited is there already: spends one await of the routine's turn.
/// Returns: whether the routine is suspended all the same, because its turn is over and others want
/// the worker (awaits_in_a_turn); it is runnable then, what it has is its own, and no stop takes it away.
bool end_turn(wait_point& w, std::coroutine_handle<> frame) noexcept;
inline bool done_at_once(wait_point& w, std::coroutine_handle<> frame) noexcept {
  return --w.head->hop->awaits_left == 0 && end_turn(w, frame);
}

/// Makes claimed routines runnable, linked by `next`, or none.
void make_all_runnable(routine* first) noexcept;

/// Claimed routines on their way to a queue together: a push and a look for sleepers for all of them.
/// They cannot run before release(), so that they and their executors are there. To be released before
/// whoever claimed them waits for anything.
class claimed_batch : immovable {
 public:
  claimed_batch() noexcept = default;
  ~claimed_batch() { release(); }

  void add(routine& r) noexcept;
  bool is_full() const noexcept { return count_ >= full; }
  /// Makes them runnable: few as make_runnable() does, one after another, a full batch through the shared
  /// queue, where all workers find it.
  void release() noexcept;

 private:
  static constexpr std::size_t full = 64;  // a lock of 30 ns is below 1 ns each

  routine* first_ = nullptr;  // linked by `next`, of one executor
  routine* last_ = nullptr;
  std::size_t count_ = 0;
};

/// Ends a pinned wait with its result, from a thread that is not its worker: waits for a stop request
/// that is on its way, which lets go of the wait in a few instructions. The routine goes on, and
/// its wait point may be gone on return.
void end_pinned(routine& r) noexcept;

/// For request_stop() of a pinned wait whose object has given it up: the routine is unwound.
void end_stopping(routine& r) noexcept;

/// Asks a routine to stop. Any thread that keeps the record alive. Idempotent.
void request_stop(routine& r) noexcept;

/// The two halves of request_stop(), for many at once with one heavy_barrier() between them.
/// `ex`: only a live routine of that executor is meant, and no branch; the record may have become another's.
void mark_stop(routine& r, const executor_core* ex) noexcept;
void claim_stop(routine& r, const executor_core* ex, claimed_batch& woken) noexcept;

/// Asks a routine to stop because the context of which `m` is its membership is cancelled. Holds the lock
/// of the context's members. Nothing if the routine is in another context meanwhile, which it has entered
/// in this one: it sees that it must stop when it leaves that.
/// Returns: false if it did not wait: to be called again after a heavy_barrier().
[[nodiscard]] bool stop_member(routine& r, const context_member& m, claimed_batch& woken) noexcept;

/// As mark_stop(), for a live routine that runs children of a fork which stops: it goes on behind the
/// fork, unless it is asked otherwise. Before the fork's last branch has ended.
void mark_fork_stop(routine& r) noexcept;

/// The routine has ended: it is no member of its context any more. Requires: it is in one.
void quit_context(routine& r) noexcept;

/// Likewise, and it does not keep the context.
void leave_context(routine& r) noexcept;

/// Drops one reference to a record; the last destroys what is left of the routine.
void release_routine(routine& r) noexcept;

/// Frees what is left of a routine that has ended, once nobody refers to it.
void destroy_routine(routine& r) noexcept;

}  // namespace sluice::detail
