// SPDX-License-Identifier: MIT
// How a routine enters and leaves boundaries, and the contexts that go with them.
#include <sluice/detail/sched/boundary.hpp>

#include "sched/cancel_node.hpp"
#include "sched/wait.hpp"

namespace sluice::detail {

bool is_context_cancelled(const routine& r) noexcept {
  const context_node* n = membership_of(r).node;
  return n != nullptr && n->governor() != nullptr && n->governor()->is_cancelled();
}

bool is_stop_due(const routine& r) noexcept {
  if (r.asked && (r.within == nullptr || !r.within->is_shielded())) return true;
  return is_context_cancelled(r);
}

void join_context(routine& r, context_node& node) noexcept {
  node.retain();
  r.node = &node;
  cancel_node* g = node.governor();
  r.is_member = g != nullptr && g->add_routine(r);
  if (g == nullptr || r.is_member) return;
  // relaxed: published by the queue, as what prepare() stores
  r.stop_requested.store(true, std::memory_order_relaxed);
}

void quit_context(routine& r) noexcept {
  // One that a cancel has taken out and claimed does not queue for the lock that the others want.
  if (std::exchange(r.is_member, false)) r.node->governor()->remove(r);
}

void leave_context(routine& r) noexcept {
  quit_context(r);
  const context_ref drop(std::exchange(r.node, nullptr));
}

void boundary::await_suspend(std::coroutine_handle<> frame) noexcept {
  routine& r = routine::of(*head_);
  caller = &promise_base::of(frame);
  promise_base& task = promise_base::of(child);
  task.head = head_;
  task.link = this;
  outer_ = r.within;
  shielded_ = kind_->shields || (outer_ != nullptr && outer_->shielded_);
  governing_ = kind_->enters ? this : (outer_ != nullptr ? outer_->governing_ : nullptr);
  if (kind_->enters && node != nullptr && node->governor() != nullptr) {
    // If it is cancelled already, is_stop_due() says so.
    static_cast<void>(node->governor()->add_boundary(*this));
  }
  {
    const spin_guard guard(r.join_lock);
    r.within = this;
    // relaxed: the routine's own, but for who holds the lock
    r.stop_requested.store(is_stop_due(r), std::memory_order_relaxed);
  }
  r.hop->next = child;
}

/// Who cancels a context looks under join_lock which one the routine is in: before this, it has asked the
/// routine to stop, which is taken back here; after it, it leaves the routine alone.
void boundary::leave() noexcept {
  routine& r = routine::of(*head_);
  left_ = true;
  {
    const spin_guard guard(r.join_lock);
    r.within = outer_;
    // relaxed: as above
    r.stop_requested.store(is_stop_due(r), std::memory_order_relaxed);
  }
  if (!kind_->enters || node == nullptr) return;
  cancel_node* g = node->governor();
  if (g == nullptr) return;
  if (kind_->cancels) {
    g->leave_and_cancel(*this);
  } else {
    g->remove(*this);
  }
}

bool boundary::stop() noexcept {
  stopped_ = true;
  leave();
  return kind_->catches || !head_->must_stop();
}

std::error_code boundary::cause() const noexcept {
  const routine& r = routine::of(*head_);
  const context_end e = end_of(kind_->enters ? node : membership_of(r).node);
  return e.err ? e.cause : make_error_code(errc::canceled);
}

// ---- stop_point_op

namespace {
constexpr wait_kind stop_point_kind{wait_reason::none, nullptr, nullptr, nullptr};
}

stop_point_op::stop_point_op(await_site at) noexcept : wait_point(at, stop_point_kind) {}

bool stop_point_op::await_suspend(std::coroutine_handle<> frame) noexcept {
  if (!head->must_stop()) return false;
  refuse(*this, frame);
  return true;
}

}  // namespace sluice::detail
