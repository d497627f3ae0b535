// SPDX-License-Identifier: MIT
// One wait of one routine, and the claim word by which exactly one party ends it.
//
// A wait is ended by its object (a channel, a timer, a completion) or by a stop request. Both sides
// claim the routine's word; the winner schedules the routine, the loser leaves it alone.
#pragma once

#include <sluice/detail/base/atomic.hpp>
#include <sluice/detail/coro/trampoline.hpp>
#include <sluice/detail/sched/wait_reason.hpp>

namespace sluice::detail {

struct routine;
class wait_point;

/// What differs between kinds of wait. One constant per kind.
struct wait_kind {
  wait_reason reason;

  /// A stop request has claimed the wait: takes the wait point out of its object's queue, on the
  /// worker that will unwind the routine, before any frame is destroyed. One that finds what was waited
  /// for takes routine::unwinding back. Null: nothing to undo.
  void (*abandon)(wait_point&) noexcept;

  /// For waits that a stop request cannot end by itself (claim_word::pinned): asks the object to
  /// end it. Called once the word stands at `stopping`, by the requester, on any thread; must see to
  /// it that the word leaves `stopping` (claim_word::unpin or claim). Null: the wait ends by itself.
  void (*request_stop)(wait_point&) noexcept;

  /// The object waited on, for dumps; null where there is none.
  const void* (*object)(const wait_point&) noexcept;
};

/// Base of every operation that can suspend a routine. Lives in the awaiting frame.
class wait_point : immovable {
 public:
  wait_point(await_site s, const wait_kind& k) noexcept : head(s.head), site(s.at), kind(&k) {}

  /// A suspended routine is never resumed by its own await: the trampoline does it.
  bool await_ready() const noexcept { return false; }

  routine& owner() const noexcept;  // lib/sched/routine.hpp

  routine_head* head;         // the routine that awaits
  std::source_location site;  // of the co_await
  const wait_kind* kind;
};

/// Who ends a wait. One per routine; serves its waits one after another.
///
///   from      to        by         when
///   running   armed     routine    a wait begins that a stop request may end at once
///   running   pinned    routine    a wait begins whose object must end it (an operation in flight)
///   armed     running   routine    it saw a stop request just after arming: refuses to wait
///   pinned    running   routine    likewise, before the operation was started
///   armed     claimed   waker      the object or a stop request ends the wait; schedules the routine
///   pinned    claimed   waker      the object ends the wait; schedules the routine
///   pinned    stopping  requester  a stop request is on its way to the object; the wait may not end
///   stopping  pinned    object     the request has arrived; the wait goes on until the object ends it
///   stopping  claimed   object     the request has arrived and the wait has ended; schedules
///   running   claimed   worker     it is made (go), or has yielded: runnable without a wait
///   running   pinned    routine    it was asked to stop, has told those that it waits for, and waits on
///   claimed   running   worker     resumes or unwinds the routine
/// Every other step is a broken invariant.
class claim_word {
 public:
  enum state : unsigned char { running, armed, pinned, claimed, stopping };

  /// Begins a wait. The routine calls it last before its wait point can be seen by others, or under
  /// the lock that others need to see it. Returns: false if a stop was requested and the wait has
  /// been taken back: unlink and refuse.
  [[nodiscard]] bool arm(state s, const routine_head& r) noexcept;

  /// Ends an armed wait. Returns: whether the caller is the one to schedule the routine.
  [[nodiscard]] bool claim_armed() noexcept {
    unsigned char expected = armed;
    // acq_rel: acquire pairs with the release in arm() [C1], so that the winner sees the whole
    // parked frame; release is for the loser's acquire [C2]
    return word_.compare_exchange_strong(expected, claimed, std::memory_order_acq_rel,
                                         std::memory_order_acquire);
  }

  /// Ends a pinned wait. Returns: false while a stop request is on its way to the object: keep the
  /// result, and end the wait when the request arrives.
  [[nodiscard]] bool claim_pinned() noexcept {
    unsigned char expected = pinned;
    // acq_rel: as in claim_armed() [C1] [C2]
    return word_.compare_exchange_strong(expected, claimed, std::memory_order_acq_rel,
                                         std::memory_order_acquire);
  }

  /// A stop request pins the object to a pinned wait, so that the wait point outlives the request.
  [[nodiscard]] bool begin_stop() noexcept {
    unsigned char expected = pinned;
    // acq_rel: as in claim_armed() [C1] [C2]
    return word_.compare_exchange_strong(expected, stopping, std::memory_order_acq_rel,
                                         std::memory_order_acquire);
  }
  /// The request has arrived: the wait goes on.
  void unpin() noexcept {
    // release: pairs with the acquire of the next claim_pinned() [C2]
    word_.store(pinned, std::memory_order_release);
  }
  /// The request has arrived and the wait has ended already.
  void claim_stopping() noexcept {
    word_.store(claimed, std::memory_order_release);  // release: pairs with peek() [C1]
  }

  /// Begins a wait that goes on whatever is requested.
  void pin() noexcept {
    word_.store(pinned, std::memory_order_release);  // release: as arm() [C1]
  }

  /// The routine is made, or has yielded: it waits for a worker only.
  void make_runnable() noexcept {
    word_.store(claimed, std::memory_order_release);  // release: pairs with peek() [C1]
  }

  /// The worker takes the routine on.
  void run() noexcept {
    // relaxed: only the worker that runs the routine leaves `running`, by arm()
    word_.store(running, std::memory_order_relaxed);
  }

  state peek() const noexcept {
    // acquire: a dump that finds a wait armed sees its wait point; pairs with arm() [C1]
    return static_cast<state>(word_.load(std::memory_order_acquire));
  }
  /// As peek(), for who has stored a stop request: what shows after a heavy barrier is all there is.
  state peek_after_request() const noexcept {
    // seq_cst: not before that store; pairs with arm(), which stores the word and then looks for the
    // request [A1]
    return static_cast<state>(word_.load(std::memory_order_seq_cst));
  }

 private:
  atomic<unsigned char> word_{running};
};

}  // namespace sluice::detail
