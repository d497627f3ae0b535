// SPDX-License-Identifier: MIT
#include "sched/wait.hpp"

#include "base/asymmetric.hpp"
#include "sched/executor_core.hpp"

#include <utility>

#include <sched.h>

namespace sluice::detail {

bool claim_word::arm(state s, const routine_head& r) noexcept {
  // Store the armed word, then look for a stop request: the requester stores its request and looks at
  // the word, at last after a heavy barrier; one of the two sees the other [A1]. The store is a release:
  // whoever claims sees the parked frame [C1].
  light_store(word_, static_cast<unsigned char>(s));
  if (!light_load(r.stop_requested)) [[likely]] {
    return true;
  }
  unsigned char expected = s;
  // acquire: a request may have pinned the wait meanwhile and let go of it: pairs with unpin() [C2];
  // relaxed: on failure the claimer goes on with it
  return !word_.compare_exchange_strong(expected, running, std::memory_order_acquire,
                                        std::memory_order_relaxed);
}

void begin_wait(wait_point& w, std::coroutine_handle<> frame) noexcept {
  routine& r = w.owner();
  r.leaf = frame;
  r.wait = &w;
  // relaxed: a figure for dumps
  r.since.store(running_on(r).now.time_since_epoch().count(), std::memory_order_relaxed);
}

void refuse(wait_point& w, std::coroutine_handle<> frame) noexcept {
  w.head->leaf = frame;
  w.head->hop->end = verdict::stopped;
}

bool end_turn(wait_point& w, std::coroutine_handle<> frame) noexcept {
  if (!running_on(w.owner()).ends_turn()) return false;
  begin_wait(w, frame);
  w.head->hop->end = verdict::yielded;
  return true;
}

namespace {

/// Holds join_lock: the routine cannot end, so its executor is there.
bool is_meant(const routine& r, const executor_core* ex) noexcept {
  // seq_cst: after request_stop_all() has stored its flag, where there is no barrier [X1]; acquire: a
  // live routine's executor is there to be read [P1]. Both pair with spawn(). It stays live while the
  // lock is held.
  return r.phase.load(std::memory_order_seq_cst) == routine_phase::live &&
         (ex == nullptr || r.executor == ex);
}

enum class wait_seen : unsigned char {
  none,  // the request counts only once the routine is bound to see it: a wait that stood here unseen, or
         // begins now, may overlook it
  asked,  // its object is to end it
  ended,  // the routine is claimed, and in the batch
};

/// Holds join_lock. After the request was made.
wait_seen end_wait_of(routine& r, claimed_batch& woken) noexcept {
  for (;;) {
    switch (r.claim.peek_after_request()) {
      case claim_word::armed:
        if (!r.claim.claim_armed()) continue;
        r.unwinding = true;
        woken.add(r);
        return wait_seen::ended;
      case claim_word::pinned:
        if (!r.claim.begin_stop()) continue;
        r.wait->kind->request_stop(*r.wait);
        return wait_seen::asked;
      case claim_word::running:   // its next wait sees the request
      case claim_word::claimed:   // it has been completed: that wins
      case claim_word::stopping:  // another request is on its way
        return wait_seen::none;
    }
  }
}

}  // namespace

void mark_stop(routine& r, const executor_core* ex) noexcept {
  const spin_guard guard(r.join_lock);
  if (!is_meant(r, ex)) return;
  // Of all of an executor: a fork tells its branches, unless its routine is shielded around it.
  if (ex != nullptr && r.branch != nullptr) return;
  r.asked = true;
  // seq_cst: before the heavy barrier and the look at the claim word [A1]
  if (is_stop_due(r)) r.stop_requested.store(true, std::memory_order_seq_cst);
}

bool stop_member(routine& r, const context_member& m, claimed_batch& woken) noexcept {
  const spin_guard guard(r.join_lock);
  if (&membership_of(r) != &m) return true;
  r.stop_requested.store(true, std::memory_order_seq_cst);  // seq_cst: as in mark_stop() [A1]
  const wait_seen seen = end_wait_of(r, woken);
  // Claimed, and taken out by the caller: not if it was for a boundary, for it stays where it was started.
  if (seen == wait_seen::ended && &m == &r) r.is_member = false;
  return seen != wait_seen::none;
}

void mark_fork_stop(routine& r) noexcept {
  const spin_guard guard(r.join_lock);
  r.stop_requested.store(true, std::memory_order_seq_cst);  // seq_cst: as in mark_stop() [A1]
}

void claim_stop(routine& r, const executor_core* ex, claimed_batch& woken) noexcept {
  const spin_guard guard(r.join_lock);
  if (is_meant(r, ex) && r.must_stop()) static_cast<void>(end_wait_of(r, woken));
}

void request_stop(routine& r) noexcept {
  claimed_batch woken;
  {
    const spin_guard guard(r.join_lock);
    if (!is_meant(r, nullptr)) return;
    r.asked = true;
    if (!is_stop_due(r)) return;                              // it is shielded, and stops later
    r.stop_requested.store(true, std::memory_order_seq_cst);  // seq_cst: as in mark_stop() [A1]
    // A wait that shows is ended at once, without the barrier, which costs 300 ns and interrupts
    // whoever runs: to claim it is proof that the routine has not gone on, and when it does it sees
    // what came before the claim [C1] [C2].
    if (end_wait_of(r, woken) != wait_seen::none) return;
  }
  heavy_barrier();
  claim_stop(r, nullptr, woken);
}

void end_pinned(routine& r) noexcept {
  for (int round = 0; !r.claim.claim_pinned(); ++round) {
    if (round % 64 == 63) ::sched_yield();
    cpu_relax();
  }
  r.unwinding = false;
  make_runnable(r);  // published: the wait point may be gone
}

void end_stopping(routine& r) noexcept {
  r.claim.claim_stopping();
  r.unwinding = true;
  make_runnable(r);  // likewise
}

void make_runnable(routine& r) noexcept {
  r.fibre.hand_over();
  worker* w = current_worker();
  if (w != nullptr && &w->ex == r.executor) {
    w->push_next(r);
  } else {
    r.executor->inject(r);
  }
}

// ---- claimed_batch

namespace {

routine* next_of(const routine& r) noexcept {
  const unseen_scope unseen;
  return r.next;
}
void unlink(routine& r) noexcept {
  const unseen_scope unseen;
  r.next = nullptr;
}

}  // namespace

// The batch lies on the stack of whoever claims, the links in records: nothing orders the two (base/fibre.hpp).
void claimed_batch::add(routine& r) noexcept {
  if (count_ != 0 && first_->executor != r.executor) release();
  const unseen_scope unseen;
  r.next = nullptr;
  if (count_++ == 0) {
    first_ = &r;
  } else {
    last_->next = &r;
  }
  last_ = &r;
}

void claimed_batch::release() noexcept {
  const std::size_t n = std::exchange(count_, 0);
  routine* const first = std::exchange(first_, nullptr);
  if (n < full) return make_all_runnable(first);
  for (routine* r = first; r != nullptr; r = next_of(*r))
    r->fibre.hand_over();
  worker* w = current_worker();
  executor_core& ex = *first->executor;
  if (w != nullptr && &w->ex == &ex) {
    w->push_shared(first, last_, n);
  } else {
    ex.inject(first, last_, n);
  }
}

void make_all_runnable(routine* first) noexcept {
  while (first != nullptr) {
    routine* following = next_of(*first);
    unlink(*first);
    make_runnable(*first);
    first = following;
  }
}

}  // namespace sluice::detail
