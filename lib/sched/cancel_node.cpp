// SPDX-License-Identifier: MIT
#include "sched/cancel_node.hpp"

#include <sluice/detail/base/assert.hpp>
#include <sluice/detail/sched/boundary_op.hpp>

#include "base/asymmetric.hpp"
#include "sched/executor_core.hpp"
#include "sched/wait.hpp"

#include <algorithm>
#include <utility>

namespace sluice::detail {

namespace {

// Members that a cancel ends before it lets others have the lock: some microseconds.
constexpr int members_in_a_go = 64;

routine& owner_of(context_member& of_boundary) noexcept {
  const unseen_scope unseen;
  return routine::of(static_cast<boundary&>(of_boundary).head());
}
routine& owner_of(context_done_op& w) noexcept {
  const unseen_scope unseen;
  return w.owner();
}

// Members lie in frames and records of routines, which nothing orders with who walks the lists
// (base/fibre.hpp).
void put(link_list& list, list_link& m) noexcept {
  const unseen_scope unseen;
  list.push_back(m);
}
list_link* take(link_list& list) noexcept {
  const unseen_scope unseen;
  return list.pop_front();
}
void take_out(list_link& m) noexcept {
  const unseen_scope unseen;
  if (m.is_linked()) m.unlink();
}

/// Works on a node as the worker: after who made it, and before who deletes it.
class node_scope : immovable {
 public:
  explicit node_scope(const context_node& n) noexcept : node_(&n) { tsan_acquire(node_); }
  ~node_scope() { tsan_release(node_); }

 private:
  const worker_scope as_worker_;
  const context_node* node_;
};

}  // namespace

// ---- references

void context_ref::release(context_node* n) noexcept {
  // A chain of parents goes in a loop, not by recursion.
  while (n != nullptr) {
    // acquire: a count of one is this side's own, and nobody else can add to it. acq_rel: release what this side
    // did; the last acquires, either way, what all did [O1]
    if (n->refs_.load(std::memory_order_acquire) != 1 &&
        n->refs_.fetch_sub(1, std::memory_order_acq_rel) != 1) {
      return;
    }
    tsan_acquire(n);  // pairs with node_scope
    context_node* parent = n->parent_.take();
    delete n;
    n = parent;
  }
}

context_ref::context_ref(const context_ref& o) noexcept : node_(o.node_) {
  if (node_ != nullptr) node_->retain();
}

context_node::~context_node() = default;

const void* context_node::find(const void* key) const noexcept {
  for (const context_node* n = this; n != nullptr; n = n->parent()) {
    if (n->key_ == key) return n->value_;
  }
  return nullptr;
}

// ---- making one

cancel_node::cancel_node(context_ref parent, time_point deadline) noexcept
    : context_node(std::move(parent), this), deadline_(deadline), timer_(*this) {}

cancel_node::~cancel_node() {
  SLUICE_DASSERT(!is_linked(), "context: ended while its parent has it");
}

void cancel_node::join_parent() noexcept {
  cancel_node* up = parent() != nullptr ? parent()->governor() : nullptr;
  if (up == nullptr) return;
  if (!up->add(up->children_, *this)) {
    const context_end e = up->end();
    cancel(static_cast<errc>(e.err.value()), e.cause);
  } else if (is_cancelled()) {
    leave_parent();  // cancelled before it was there to be taken out
  }
}

void cancel_node::leave_parent() noexcept {
  if (cancel_node* up = parent() != nullptr ? parent()->governor() : nullptr) up->remove(*this);
}

void cancel_node::arm(worker& w, std::error_code cause) {
  timer_.cause = cause;
  w.timers.lock_with_room();
  timed_ = timer_state::armed;
  retain_unshared();
  tsan_release(as_node());                          // pairs with node_scope
  tsan_release(static_cast<timer_node*>(&timer_));  // pairs with who takes it out of the heap
  w.timers.add(timer_, deadline_);
  w.timers.unlock();
}

// ---- members

bool cancel_node::add(link_list& list, list_link& m) noexcept {
  const node_scope as_worker(*this);
  const spin_guard guard(lock_);
  if (cancelled_.load(std::memory_order_relaxed)) return false;  // relaxed: under the lock
  put(list, m);
  return true;
}

bool cancel_node::add_waiter(context_done_op& w, bool& refused) noexcept {
  routine& r = w.owner();
  refused = false;
  {
    const node_scope as_worker(*this);
    lock_.lock();
    if (cancelled_.load(std::memory_order_relaxed)) {  // relaxed: under the lock
      lock_.unlock();
      return false;
    }
    put(waiters_, w);
  }
  const bool armed = r.claim.arm(claim_word::armed, r);  // as the routine, which it publishes
  refused = !armed;
  const node_scope as_worker(*this);
  if (!armed) take_out(w);
  lock_.unlock();  // published, if it is armed: the wait point may be gone
  return armed;
}

void cancel_node::remove(list_link& m) noexcept {
  const node_scope as_worker(*this);
  const spin_guard guard(lock_);
  take_out(m);
}

// ---- cancel

void cancel_node::cancel(errc err, std::error_code cause) noexcept {
  if (is_cancelled()) return;
  tsan_release(&deadline_);  // what was done before comes before all that is told of it
  const worker_scope as_worker;
  tsan_acquire(&deadline_);
  cancel_as_worker(err, cause, nullptr);
}

void cancel_node::leave_and_cancel(list_link& m) noexcept {
  tsan_release(&deadline_);  // as in cancel()
  const worker_scope as_worker;
  tsan_acquire(&deadline_);
  cancel_as_worker(errc::canceled, {}, &m);
}

// A frame of its own: what lies in that of cancel() is the routine's.
[[gnu::noinline]] void cancel_node::cancel_as_worker(errc err, std::error_code cause,
                                                     list_link* leaves) noexcept {
  if (!close(err, cause ? cause : make_error_code(err), leaves)) {
    tsan_release(as_node());  // as node_scope
    return;
  }
  leave_parent();
  // All nodes before any member: who is told of another's stop has been stopped itself, if it is to be.
  cancel_node* last = this;
  for (cancel_node* n = this; n != nullptr; n = n->next_) {
    if (n->had_children_) n->close_children(last);
  }
  bool overlooked = false;
  for (cancel_node* n = this; n != nullptr; n = n->next_) {
    if (n->had_members_) overlooked |= n->end_members();
  }
  if (overlooked) {
    heavy_barrier();  // between the requests and the second looks [A1]
    for (cancel_node* n = this; n != nullptr; n = n->next_)
      n->end_overlooked();
  }
  for (cancel_node* n = this; n != nullptr;) {
    n->on_cancelled();
    cancel_node* next = std::exchange(n->next_, nullptr);
    tsan_release(n->as_node());  // as node_scope
    const context_ref drop(n);
    n = next;
  }
}

/// Takes `leaves` out, if not null. Returns: whether this call is the one that cancels it; it is counted then.
bool cancel_node::close(errc err, std::error_code cause, list_link* leaves) noexcept {
  tsan_acquire(as_node());  // as node_scope
  const spin_guard guard(lock_);
  if (leaves != nullptr) take_out(*leaves);
  if (cancelled_.load(std::memory_order_relaxed)) return false;  // relaxed: under the lock
  end_ = {err, cause};
  had_children_ = !children_.is_empty();
  had_members_ = !routines_.is_empty() || !boundaries_.is_empty() || !waiters_.is_empty();
  if (!take_timer()) retain();                        // else the heap's count it is
  cancelled_.store(true, std::memory_order_release);  // release: pairs with is_cancelled() [O2]
  return true;
}

/// Children that this call cancels go to the end of the chain.
void cancel_node::close_children(cancel_node*& last) noexcept {
  for (bool more = true; more;) {
    const spin_guard guard(lock_);
    int left = members_in_a_go;
    for (; left != 0; --left) {
      list_link* l = take(children_);
      if (l == nullptr) break;
      auto& child = static_cast<cancel_node&>(*l);
      if (child.close(static_cast<errc>(end_.err.value()), end_.cause)) {
        last = last->next_ = &child;
      } else {
        tsan_release(child.as_node());  // as node_scope
      }
    }
    more = left == 0;
  }
}

/// Routines are asked to stop. Returns: whether some were not waiting, and have to be looked at again.
bool cancel_node::end_members() noexcept {
  bool overlooked = false;
  for (bool more = true; more;) {
    claimed_batch woken;  // released behind the lock
    const spin_guard guard(lock_);
    int left = members_in_a_go;
    for (; left != 0; --left) {
      if (list_link* b = take(boundaries_)) {
        auto& m = static_cast<context_member&>(*b);
        if (stop_member(owner_of(m), m, woken)) continue;
        put(overlooked_boundaries_, m);
        overlooked = true;
      } else if (list_link* r = take(routines_)) {
        auto& m = static_cast<context_member&>(*r);
        if (stop_member(static_cast<routine&>(m), m, woken)) continue;
        put(overlooked_routines_, m);
        overlooked = true;
      } else if (list_link* w = take(waiters_)) {
        // One that was stopped in this wait by now finds in abandon() that it has what it waited for.
        routine& waiter = owner_of(static_cast<context_done_op&>(*w));
        if (waiter.claim.claim_armed()) woken.add(waiter);
      } else {
        break;
      }
    }
    more = left == 0;
  }
  return overlooked;
}

void cancel_node::end_overlooked() noexcept {
  for (bool more = true; more;) {
    claimed_batch woken;  // as in end_members()
    const spin_guard guard(lock_);
    int left = members_in_a_go;
    for (; left != 0; --left) {
      if (list_link* b = take(overlooked_boundaries_)) {
        auto& m = static_cast<context_member&>(*b);
        static_cast<void>(stop_member(owner_of(m), m, woken));
      } else if (list_link* r = take(overlooked_routines_)) {
        auto& m = static_cast<context_member&>(*r);
        static_cast<void>(stop_member(static_cast<routine&>(m), m, woken));
      } else {
        break;
      }
    }
    more = left == 0;
  }
}

// ---- context_done_op

namespace {
context_ref counted(context_node* n) noexcept {
  if (n != nullptr) n->retain();
  return context_ref(n);
}
}  // namespace

constinit const wait_kind context_done_op::done_kind{wait_reason::context_done, abandon, nullptr,
                                                     nullptr};

context_done_op::context_done_op(await_site at, context_node* node) noexcept
    : wait_point(at, done_kind), governor_(node != nullptr ? node->governor() : nullptr) {}

bool context_done_op::await_suspend(std::coroutine_handle<> frame) noexcept {
  // It is no stop that this waits for, though the two may come together: what has come is told.
  if (governor_ != nullptr && governor_->is_cancelled()) return done_at_once(*this, frame);
  // Whether the routine is to stop is seen when it is armed, under the lock: it may be to for this very context.
  begin_wait(*this, frame);
  bool refused = false;
  if (governor_ == nullptr) {
    refused = !owner().claim.arm(claim_word::armed, owner());  // for ever
  } else {
    waits_for_ = counted(governor_);
    if (!governor_->add_waiter(*this, refused) && !refused) return false;
  }
  if (refused) refuse(*this, frame);
  return true;
}

/// Who cancels may not have come to this routine yet. If it is its own context that has ended, its next wait
/// stops all the same.
void context_done_op::await_resume() const noexcept {
  routine& r = owner();
  if (r.must_stop() || !is_context_cancelled(r)) return;
  const spin_guard guard(r.join_lock);
  // relaxed: the routine's own, but for who holds the lock
  r.stop_requested.store(true, std::memory_order_relaxed);
}

void context_done_op::abandon(wait_point& self) noexcept {
  auto& op = static_cast<context_done_op&>(self);
  if (op.governor_ == nullptr) return;
  op.governor_->remove(op);
  if (op.governor_->is_cancelled()) op.owner().unwinding = false;
}

// ---- deadlines

/// Holds the lock. Returns: whether it has taken the deadline out, and has the heap's count now. The heap is there
/// while timed_ says armed: who ends it takes all deadlines out, and says so here.
bool cancel_node::take_timer() noexcept {
  if (timed_ != timer_state::armed || !timer_.heap->remove(timer_)) return false;
  timed_ = timer_state::out;
  return true;
}

void cancel_node::expire(context_deadline& d, errc err) noexcept {
  const worker_scope as_worker;
  auto& own = static_cast<own_deadline&>(d);
  const context_ref drop(&own.of);
  {
    const node_scope as_worker_of(own.of);
    const spin_guard guard(own.of.lock_);
    own.of.timed_ = timer_state::out;
  }
  own.of.cancel(err, err == errc::deadline_exceeded ? own.cause : std::error_code());
}

void end_contexts(context_deadline* first, errc err) noexcept {
  while (first != nullptr) {
    context_deadline* following = std::exchange(first->next_due, nullptr);
    cancel_node::expire(*first, err);
    first = following;
  }
}

// ---- for the templates

context_ref current_context() noexcept {
  const worker* w = current_worker();
  if (w == nullptr || w->current == nullptr) return {};
  return counted(membership_of(*w->current).node);
}

namespace {

/// `now`: needed if `deadline` comes before those above it.
context_ref make_node(context_ref parent, time_point deadline, std::error_code cause,
                      time_point now) {
  worker* w = current_worker();
  const time_point inherited = deadline_of(parent.get());
  const bool timed = deadline < inherited;
  const bool due = timed && deadline <= now;
  if (timed && !due && w == nullptr) {
    throw_panic("context: with_deadline outside of a routine: no worker keeps the time");
  }
  auto* n = new cancel_node(std::move(parent), timed ? deadline : inherited);
  context_ref made(n);
  if (timed && !due) {
    n->arm(*w, cause);
  } else {
    tsan_release(static_cast<context_node*>(n));  // pairs with node_scope
  }
  n->join_parent();
  if (due) n->cancel(errc::deadline_exceeded, cause);
  return made;
}

}  // namespace

context_ref make_cancel_node(context_ref parent, time_point deadline, std::error_code cause) {
  const time_point now = deadline != time_point::max() ? clock::now() : time_point();
  return make_node(std::move(parent), deadline, cause, now);
}

context_ref make_timed_node(context_ref parent, duration d, std::error_code cause) {
  const time_point now = clock::now();
  return make_node(std::move(parent), deadline_after(now, d), cause, now);
}

context_ref timeout_context::operator()() const {
  return make_timed_node(current_context(), d, {});
}
context_ref deadline_context::operator()() const {
  return make_cancel_node(current_context(), until);
}

context_ref shield_of(const context_ref& of) {
  return of.get() != nullptr ? context_ref(new context_node(of, nullptr)) : context_ref();
}

void cancel(context_node* node, std::error_code cause) noexcept {
  if (node == nullptr || node->governor() != node) return;
  static_cast<cancel_node*>(node)->cancel(errc::canceled, cause);
}

context_end end_of(const context_node* node) noexcept {
  if (node == nullptr || node->governor() == nullptr) return {};
  return node->governor()->end();
}

time_point deadline_of(const context_node* node) noexcept {
  if (node == nullptr || node->governor() == nullptr) return time_point::max();
  return node->governor()->deadline();
}

}  // namespace sluice::detail
