// SPDX-License-Identifier: MIT
#include <sluice/detail/base/assert.hpp>
#include <sluice/detail/sync/wait_group_core.hpp>
#include <sluice/error.hpp>

#include "sched/wait.hpp"

namespace sluice::detail {

wait_group_core::~wait_group_core() {
  SLUICE_ASSERT(waiters_.is_empty(), "wait_group: ended while a routine waits for it");
}

void wait_group_core::add(std::ptrdiff_t n) {
  routine* first = nullptr;
  {
    const spin_guard guard(lock_);
    if (count_ + n < 0) throw_panic("wait_group: negative counter");
    count_ += n;
    if (count_ != 0) return;
    while (list_link* l = waiters_.pop_front()) {
      routine& r = static_cast<wait_group_op&>(*l).owner();
      if (r.claim.claim_armed()) r.next = std::exchange(first, &r);
    }
  }
  make_all_runnable(first);
}

std::ptrdiff_t wait_group_core::count() const noexcept {
  const spin_guard guard(lock_);
  return count_;
}

wait_group_ref::wait_group_ref(const wait_group_ref& o) noexcept : core_(o.core_) {
  // relaxed: who copies holds one already
  core_->refs_.fetch_add(1, std::memory_order_relaxed);
}

wait_group_ref::~wait_group_ref() {
  // acq_rel: release what this side did; the last acquires what all did [O1]
  if (core_->refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete core_;
}

// ---- wait_group_op

constinit const wait_kind wait_group_op::wait_group_kind{wait_reason::wait_group, abandon, nullptr,
                                                         object};

wait_group_op::wait_group_op(await_site at, wait_group_core* g) noexcept
    : wait_point(at, wait_group_kind), g_(g) {}

bool wait_group_op::await_suspend(std::coroutine_handle<> frame) noexcept {
  routine& r = owner();
  if (r.must_stop()) return refuse(*this, frame), true;
  begin_wait(*this, frame);
  bool refused = false;
  {
    const spin_guard guard(g_->lock_);
    if (g_->count_ == 0) return done_at_once(*this, frame);
    g_->waiters_.push_back(*this);
    if (!r.claim.arm(claim_word::armed, r)) {
      unlink();
      refused = true;
    }
  }
  if (refused) refuse(*this, frame);
  return true;
}

void wait_group_op::abandon(wait_point& self) noexcept {
  auto& op = static_cast<wait_group_op&>(self);
  const spin_guard guard(op.g_->lock_);
  if (op.is_linked()) op.unlink();
}

const void* wait_group_op::object(const wait_point& self) noexcept {
  return static_cast<const wait_group_op&>(self).g_;
}

}  // namespace sluice::detail
