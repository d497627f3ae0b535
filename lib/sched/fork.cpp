// SPDX-License-Identifier: MIT
// How a routine goes on with its forks: which child runs next, what is offered to other workers, when
// a child becomes a routine of its own, and how results, failures and stops come back.
//
// All but the end of a branch is done by the routine that forked, on the worker that runs it.
#include <sluice/detail/sched/fork.hpp>

#include "base/asymmetric.hpp"
#include "sched/executor_core.hpp"
#include "sched/wait.hpp"

#include <utility>

#include <sched.h>

namespace sluice::detail {

namespace {

// Children that begin between two looks whether a worker should be woken for what is offered: a fork
// of few small children is over before a sleeper would have woken (15-40 us). Of large ones the
// monitor finds out.
constexpr std::uint32_t children_before_wake = 32;

/// Makes the frames from `leaf` outwards, to the one whose link has no caller, those of routine `b`.
void move_frames(promise_base& leaf, routine& b, fork_child& link) noexcept {
  promise_base* f = &leaf;
  f->head = &b;
  while (f->link->caller != nullptr) {
    f = f->link->caller;
    f->head = &b;
  }
  f->link = &link;
}

}  // namespace

constinit const wait_kind fork::fork_wait{wait_reason::when_all, nullptr, request_stop, nullptr};

void note_failure(routine_head& routine) noexcept {
  routine.inner->threw_ = true;
}

// ---- the loop

void fork::await_suspend(std::coroutine_handle<> frame) noexcept {
  routine& r = owner();
  frame_ = frame;
  outer_ = r.inner;
  if (outer_ != nullptr) outer_->deeper_ = this;
  r.inner = this;
  if (r.oldest == nullptr && has_unbegun()) r.oldest = this;
  r.hop->end = verdict::forked;  // the worker goes on: nothing begins or dies under resume()
}

/// What a routine that has forks goes on with, when one has begun, when a child of its innermost one has
/// come to its end, and when that one's branches have been waited for. Null: see `end`.
std::coroutine_handle<> worker::go_on_with_fork(routine& r) noexcept {
  end = verdict::parked;  // what a frame has done that names no other, unless it says so
  for (;;) {
    fork& op = *r.inner;
    if (fork_child* c = std::exchange(op.running_, nullptr)) {
      const bool leaves_result = c->child && !op.threw_ && op.kind_->take == nullptr;
      if (!leaves_result) [[unlikely]] {
        end_running(r, op, *c);
      } else if (op.kind_->is_race) {
        op.win(*c);
      }
    }
    if (op.has_unbegun()) {
      if (r.must_stop() || op.is_stopping()) {
        drop_unbegun(r, op);
      } else if (fork_child* c = begin_next(r, op)) {
        if (r.oldest != nullptr) offer(r);
        return c->child;
      }
      continue;
    }
    if (op.shared_) {
      if (r.oldest != nullptr && split_waiting(r)) continue;
      const fork::next_step step = op.wait_for_branches(r);
      if (step == fork::next_step::waiting) return nullptr;  // published: others may run it already
      if (step == fork::next_step::stop_came) {
        op.stop_all_branches();
        continue;
      }
    }
    r.inner = op.outer_;
    if (op.is_stopping()) end_stop_of(r);
    if (op.is_decided()) return op.frame_;
    // Without the result of a child that was stopped, who awaits it is stopped as well.
    r.leaf = op.frame_;
    if (r.inner == nullptr) {
      end = verdict::stopped;
      return nullptr;
    }
    unwind(r);
  }
}

/// Null: none has begun; the fork knows why.
fork_child* worker::begin_next(routine& r, fork& op) noexcept {
  const std::size_t i = op.next_++;
  fork_child* c = op.made_ != nullptr ? op.made_ + i : op.kind_->begin(op, i);
  if (!op.has_unbegun() && r.oldest == &op) r.oldest = nullptr;
  if (c == nullptr) return nullptr;
  op.running_ = c;
  promise_base& promise = promise_base::of(c->child);
  promise.head = &r;
  promise.link = c;
  return c;
}

void worker::drop_unbegun(routine& r, fork& op) noexcept {
  const std::size_t first = std::exchange(op.next_, op.last_);
  for (std::size_t i = first; op.made_ != nullptr && i != op.last_; ++i)
    std::exchange(op.made_[i].child, nullptr).destroy();
  op.lost_ = true;
  if (r.oldest == &op) r.oldest = nullptr;
}

void worker::end_running(routine& r, fork& op, fork_child& c) noexcept {
  if (!c.child) {  // unwound
    op.lost_ = true;
    return;
  }
  const bool obeyed = op.threw_ && obeys_stop(r, *c.kind, c.child);
  std::exception_ptr e = op.end_child(c, std::exchange(op.threw_, false), obeyed);
  if (obeyed) op.lost_ = true;
  if (e != nullptr) op.fail(std::move(e));
}

/// Takes what a child has left. Returns: its exception, if it ended with one, or its result threw when
/// it was moved.
std::exception_ptr fork::end_child(fork_child& c, bool threw, bool obeyed) noexcept {
  std::exception_ptr e;
  if (threw) {
    if (!obeyed) e = c.kind->exception(c.child);
  } else {
    if (kind_->take == nullptr) return nullptr;
    try {
      kind_->take(*this, c);
      return nullptr;
    } catch (...) {
      e = std::current_exception();
    }
  }
  std::exchange(c.child, nullptr).destroy();
  return e;
}

// ---- branches

/// Makes branches of children that have not begun, as many as there are workers that would take them,
/// the oldest first: they are likely the largest. They wake nobody at once, as a `go` does not.
void worker::offer(routine& r) noexcept {
  if (ex.workers().size() == 1) return;
  wake_for_offers();
  while (r.oldest != nullptr && wants_offers()) {
    fork& op = *r.oldest;
    routine* b = cache.try_take();
    if (b == nullptr) return;
    fork_child* c = op.kind_->give(op);
    if (c == nullptr) return cache.give(b);
    if (!op.has_unbegun()) r.oldest = op.next_unbegun(*r.inner);
    promise_base& promise = promise_base::of(c->child);
    promise.head = b;
    promise.link = c;
    b->claim.make_runnable();
    make_branch(*b, *c, c->child);
    b->fibre.make(b->id);
    const worker_scope as_worker;
    if (!queue_.push(b)) overflow(*b);
  }
}

void worker::wake_for_offers() noexcept {
  const worker_scope as_worker;
  if (++begun_ % children_before_wake == 0 && !queue_.empty()) ex.notify();
}

bool worker::wants_offers() noexcept {
  const worker_scope as_worker;
  if (ex.is_simulated()) return rng.below(3) == 0;
  const std::uint32_t offered = queue_.size();
  return offered == 0 || offered < ex.idle.hungry();
}

/// `leaf`: the innermost frame of the child. To be pushed, or to run on.
void worker::make_branch(routine& b, fork_child& c, std::coroutine_handle<> leaf) noexcept {
  fork& op = *c.of;
  b.id = cache.next_id();
  b.name = nullptr;
  b.leaf = leaf;
  b.root.child = nullptr;  // the fork owns the frames
  b.box = nullptr;
  b.kind = c.kind;
  b.branch = &c;
  prepare(b, ex, op.site, now);
  if (context_node* n = membership_of(routine::of(*op.head)).node) join_context(b, *n);
  count.spawned.add();
  // In the list before it is anywhere else: who stops the fork marks what is in the list. A stop of the
  // routine itself, or of a fork further out, reaches the branch when the routine comes to wait for it.
  if (op.adopt(c, b)) mark_stop(b, nullptr);
}

void split_off(promise_base& leaf) {
  routine& r = routine::of(*leaf.head);
  worker& w = running_on(r);
  fork& op = *r.inner;
  routine* b = w.cache.take();
  fork_child* c;
  try {
    c = op.kind_->detach(op, *op.running_);
  } catch (...) {
    w.cache.give(b);
    throw;
  }
  op.running_ = nullptr;
  move_frames(leaf, *b, *c);
  b->claim.run();
  w.make_branch(*b, *c, leaf.frame());
  if (r.must_stop()) mark_stop(*b, nullptr);  // it begins no wait that the routine must not begin
  b->hop = &w;
  w.current = b;
  r.fibre.split(r.id, b->fibre, b->id);
  if (!op.has_unbegun() && r.oldest == nullptr &&
      op.wait_for_branches(r) == fork::next_step::waiting) {
    return;
  }
  r.leaf = op.frame_;
  r.at_fork = true;
  r.claim.make_runnable();
  r.fibre.hand_over();
  w.push_next(r);
}

/// The routine's innermost fork has branches to wait for, and there are children further out that have
/// not begun: the child in which it waits becomes a branch, and waits by itself. Returns: whether it has.
bool worker::split_waiting(routine& r) noexcept {
  fork& op = *r.inner;
  fork& out = *op.outer_;
  if (!op.has_branches()) return false;
  routine* b = cache.try_take();
  if (b == nullptr) return false;
  fork_child* c;
  try {
    c = out.kind_->detach(out, *out.running_);
  } catch (...) {
    cache.give(b);
    return false;
  }
  out.running_ = nullptr;
  r.inner = &out;
  promise_base& leaf = promise_base::of(op.frame_);
  move_frames(leaf, *b, *c);
  op.move_to(*b);
  b->inner = &op;
  b->at_fork = true;
  b->claim.make_runnable();
  make_branch(*b, *c, op.frame_);
  // What stops the fork alone stops the routine no longer.
  if (op.is_stopping()) end_stop_of(r);
  b->fibre.make(b->id);
  push_back(*b);
  return true;
}

void worker::finish_branch(routine& r, bool stopped) noexcept {
  fork_child& c = *r.branch;
  fork& op = *c.of;
  std::exception_ptr e;
  if (!stopped) {
    const bool threw = c.kind->exception(c.child) != nullptr;
    stopped = threw && obeys_stop(r, *c.kind, c.child);
    e = op.end_child(c, threw, stopped);
  }
  void (*const drop)(fork_child&) noexcept = op.kind_->drop;
  routine* waiter = op.end_branch(c, e, stopped);  // if it is null the fork may be gone
  if (drop != nullptr) drop(c);
  if (r.node != nullptr) leave_context(r);
  r.fibre.end();
  retire(r);
  if (waiter != nullptr) make_runnable(*waiter);
  tsan_release(ex.routines_done());  // pairs with live()
  const worker_scope as_worker;
  if (stopped) count.stopped.add();
  count.finished.add();
}

/// Returns: whether the fork stops.
bool fork::adopt(fork_child& c, routine& branch) noexcept {
  shared_ = true;
  const spin_guard guard(lock_);
  c.branch = &branch;
  c.prev = nullptr;
  c.next = branches_;
  if (branches_ != nullptr) branches_->prev = &c;
  branches_ = &c;
  return is_stopping();
}

/// Returns: the routine that waits for the branches, if this was the last: claimed, to be made runnable.
routine* fork::end_branch(fork_child& c, std::exception_ptr& e, bool lost) noexcept {
  const spin_guard guard(lock_);
  branch_lost_ |= lost;
  if (decides(c, e, lost) && !is_stopping()) stop_branches(&c);
  (c.prev != nullptr ? c.prev->next : branches_) = c.next;
  if (c.next != nullptr) c.next->prev = c.prev;
  if (branches_ != nullptr || waiting_ == wait::no) return nullptr;
  routine& r = owner();
  if (waiting_ == wait::until_stopped) return r.claim.claim_armed() ? &r : nullptr;
  for (int round = 0; !r.claim.claim_pinned(); ++round) {  // a stop request that has nothing to do
    if (round % 64 == 63) ::sched_yield();
    cpu_relax();
  }
  return &r;
}

/// Holds lock_. Keeps how a child has ended. Returns: whether the others are to stop.
bool fork::decides(fork_child& c, std::exception_ptr& e, bool lost) noexcept {
  if (e != nullptr) {
    if (error_ == nullptr) error_ = std::move(e);
    return !kind_->is_race;
  }
  if (lost || !kind_->is_race) return false;
  if (winner_ == nullptr) winner_ = &c;
  return true;
}

bool fork::has_branches() noexcept {
  const spin_guard guard(lock_);
  return branches_ != nullptr;
}

/// The routine waits for the branches, if there are any: it goes on with go_on_with_fork().
fork::next_step fork::wait_for_branches(routine& r) noexcept {
  const spin_guard guard(lock_);
  waiting_ = wait::no;
  if (branches_ == nullptr) return next_step::done;
  const bool stopping = is_stopping();
  if (!stopping && r.must_stop()) return next_step::stop_came;
  begin_wait(*this, frame_);
  r.at_fork = true;
  if (stopping) {
    waiting_ = wait::whatever_comes;
    r.claim.pin();
    return next_step::waiting;
  }
  waiting_ = wait::until_stopped;
  if (r.claim.arm(claim_word::armed, r)) return next_step::waiting;
  waiting_ = wait::no;
  r.at_fork = false;
  return next_step::stop_came;
}

void fork::move_to(routine& r) noexcept {
  const spin_guard guard(lock_);
  head = &r;
  outer_ = nullptr;
}

fork* fork::next_unbegun(const fork& innermost) noexcept {
  for (fork* f = this; f != &innermost;) {
    f = f->deeper_;
    if (f->has_unbegun()) return f;
  }
  return nullptr;
}

// ---- failures and stops

void fork::fail(std::exception_ptr e) noexcept {
  const spin_guard guard(lock_);
  if (error_ == nullptr) error_ = std::move(e);
  if (!kind_->is_race && !is_stopping()) stop_branches(nullptr);
}

void fork::win(fork_child& c) noexcept {
  const spin_guard guard(lock_);
  if (winner_ == nullptr) winner_ = &c;
  if (!is_stopping()) stop_branches(nullptr);
}

void fork::stop_all_branches() noexcept {
  const spin_guard guard(lock_);
  if (!is_stopping()) stop_branches(nullptr);
}

/// Holds lock_. `failed`: the branch that stops the others; null: the routine itself does.
void fork::stop_branches(const fork_child* failed) noexcept {
  stopping_.store(true, std::memory_order_relaxed);  // relaxed: under the lock, and a hint
  bool any = false;
  for (fork_child* c = branches_; c != nullptr; c = c->next) {
    if (c == failed) continue;
    mark_stop(*c->branch, nullptr);
    any = true;
  }
  // The routine itself if it runs a child, or something in a child. It has not left the fork, for
  // `failed` is still in the list.
  const bool routine_too = failed != nullptr && waiting_ == wait::no;
  if (routine_too) mark_fork_stop(owner());
  if (!any && !routine_too) return;
  heavy_barrier();
  claimed_batch woken;
  for (fork_child* c = branches_; c != nullptr; c = c->next) {
    if (c == failed) continue;
    claim_stop(*c->branch, nullptr, woken);
    if (woken.is_full()) woken.release();
  }
  if (routine_too) claim_stop(owner(), nullptr, woken);
}

/// A stop request finds the routine in a wait that goes on whatever comes.
void fork::request_stop(wait_point& self) noexcept {
  self.owner().claim.unpin();
}

/// A fork that stopped is over, or is the routine's no more: so is the stop, unless there is another
/// reason for it.
void worker::end_stop_of(routine& r) noexcept {
  // Under the lock, for who stops a fork marks the routine after the fork: what is overlooked here comes
  // after this.
  const spin_guard guard(r.join_lock);
  if (is_stop_due(r)) return;
  for (const fork* f = r.inner; f != nullptr; f = f->outer_) {
    if (f->is_stopping()) return;
  }
  r.stop_requested.store(false, std::memory_order_relaxed);  // relaxed: the routine's own
}

}  // namespace sluice::detail
