// SPDX-License-Identifier: MIT
#include <sluice/detail/base/assert.hpp>
#include <sluice/detail/sync/group_core.hpp>
#include <sluice/result.hpp>

#include "sched/executor_core.hpp"
#include "sched/wait.hpp"

#include <utility>

#include <sched.h>

namespace sluice::detail {

group_core::group_core(std::size_t limit, bool crashes)
    : limit_(limit), crashes_(crashes), context_(make_cancel_node(current_context())) {
  if (limit == 0) throw_panic("errgroup: the limit is zero: nothing could run");
  tsan_release(&context_);  // pairs with one_ended()
}

group_core::~group_core() {
  SLUICE_ASSERT(live_ == 0, "errgroup: ended before its routines");
  cancel_all();
}

// ---- starting

void group_core::admit() noexcept {
  const spin_guard guard(lock_);
  ++live_;
  if (!is_limited()) ++running_;
}

bool group_core::try_admit() noexcept {
  const spin_guard guard(lock_);
  if (running_ >= limit_) return false;
  ++live_;
  ++running_;
  return true;
}

void group_core::dismiss(bool admitted) noexcept {
  routine* waiters = nullptr;
  {
    const spin_guard guard(lock_);
    --live_;
    if (admitted || !is_limited()) --running_;
    waiters = take_room_waiters();
  }
  make_all_runnable(waiters);
}

void group_core::enqueue(routine& r) noexcept {
  {
    const spin_guard guard(lock_);
    if (running_ >= limit_) {
      r.next = nullptr;
      (first_queued_ != nullptr ? last_queued_->next : first_queued_) = &r;
      last_queued_ = &r;
      return;
    }
    ++running_;
  }
  release_held(r);
}

// ---- failing

bool group_core::take_failure_slot() noexcept {
  return !std::exchange(failed_, true);
}

namespace {

/// What a context is cancelled with because of an exception.
std::error_code code_of(const std::exception_ptr& e) noexcept {
  try {
    std::rethrow_exception(e);
  } catch (const std::system_error& x) {
    return x.code();
  } catch (...) {
    return errc::canceled;
  }
}

}  // namespace

void group_core::fail(const routine* r, std::exception_ptr e) noexcept {
  if (crashes_ && r != nullptr) return report_escape(*r, std::move(e));
  const std::error_code cause = code_of(e);
  {
    const spin_guard guard(lock_);
    // An exception says more than an error value that came before it.
    if (exception_ == nullptr) std::swap(exception_, e);
    if (!take_failure_slot()) return;
  }
  cancel(context_.get(), cause);
}

void group_core::fail(error e) noexcept {
  const std::error_code cause = e.code();
  {
    const spin_guard guard(lock_);
    if (!take_failure_slot()) return;
    error_.emplace(std::move(e));
  }
  cancel(context_.get(), cause);
}

void group_core::lose() noexcept {
  const spin_guard guard(lock_);
  lost_ = true;
}

void group_core::cancel_all() noexcept {
  cancel(context_.get(), {});
}

std::optional<error> group_core::take_failure() {
  if (exception_) std::rethrow_exception(std::move(exception_));
  return std::move(error_);
}

// ---- ending

void group_core::report_ends() noexcept {
  tsan_release(&context_);  // pairs with group_join_op::await_resume()
}

void group_core::one_ended() noexcept {
  tsan_acquire(&context_);  // the worker, after who made the group
  routine* next = nullptr;
  routine* joiner = nullptr;
  routine* waiters = nullptr;
  {
    const spin_guard guard(lock_);
    --live_;
    --running_;
    if (first_queued_ != nullptr) {
      next = first_queued_;
      first_queued_ = std::exchange(next->next, nullptr);
      ++running_;
    } else {
      waiters = take_room_waiters();
    }
    if (live_ == 0) joiner = take_joiner();
  }
  // Whoever of these runs may end the group.
  if (next != nullptr) release_held(*next);
  make_all_runnable(waiters);
  if (joiner != nullptr) make_runnable(*joiner);
}

/// All who wait for room: the first may make no use of it. Returns: they, claimed, linked by `next`.
routine* group_core::take_room_waiters() noexcept {
  if (running_ >= limit_) return nullptr;
  routine* first = nullptr;
  while (list_link* l = room_waiters_.pop_front()) {
    routine& r = static_cast<group_room_op&>(*l).owner();
    if (r.claim.claim_armed()) r.next = std::exchange(first, &r);
  }
  return first;
}

/// Returns: the routine that waits for all, claimed, or null.
routine* group_core::take_joiner() noexcept {
  if (joined_ == joined::no) return nullptr;
  routine& r = joiner_->owner();
  const bool stoppable = std::exchange(joined_, joined::no) == joined::until_stopped;
  if (stoppable) return r.claim.claim_armed() ? &r : nullptr;
  for (int round = 0; !r.claim.claim_pinned(); ++round) {  // a stop request that has nothing to do
    if (round % 64 == 63) ::sched_yield();
    cpu_relax();
  }
  r.unwinding = false;
  return &r;
}

// ---- group_join_op

constinit const wait_kind group_join_op::join_kind{wait_reason::group, abandon, request_stop,
                                                   object};

group_join_op::group_join_op(await_site at, group_core* g) noexcept
    : wait_point(at, join_kind), g_(g) {}

bool group_join_op::await_suspend(std::coroutine_handle<> frame) noexcept {
  routine& r = owner();
  // One look: what waits for whatever comes has cancelled the group before. A request behind it ends arm().
  const bool stopping = r.must_stop();
  if (stopping) g_->cancel_all();
  begin_wait(*this, frame);
  const spin_guard guard(g_->lock_);
  if (g_->live_ == 0) return false;
  g_->joiner_ = this;
  if (stopping) {
    g_->joined_ = group_core::joined::whatever_comes;
    r.claim.pin();
    return true;
  }
  g_->joined_ = group_core::joined::until_stopped;
  if (r.claim.arm(claim_word::armed, r)) return true;
  g_->joined_ = group_core::joined::no;
  return false;
}

bool group_join_op::await_resume() const noexcept {
  tsan_acquire(&g_->context_);  // what the routines have done
  const spin_guard guard(g_->lock_);
  return g_->live_ == 0;
}

/// A stop has claimed the wait: the routine goes on, to wait again.
void group_join_op::abandon(wait_point& self) noexcept {
  group_core& g = *static_cast<group_join_op&>(self).g_;
  {
    const spin_guard guard(g.lock_);
    g.joined_ = group_core::joined::no;
  }
  self.owner().unwinding = false;
}

void group_join_op::request_stop(wait_point& self) noexcept {
  self.owner().claim.unpin();
}

const void* group_join_op::object(const wait_point& self) noexcept {
  return static_cast<const group_join_op&>(self).g_;
}

// ---- group_room_op

constinit const wait_kind group_room_op::room_kind{wait_reason::group, abandon, nullptr, object};

group_room_op::group_room_op(await_site at, group_core* g) noexcept
    : wait_point(at, room_kind), g_(g) {}

bool group_room_op::await_suspend(std::coroutine_handle<> frame) noexcept {
  routine& r = owner();
  if (r.must_stop()) return refuse(*this, frame), true;
  begin_wait(*this, frame);
  bool refused = false;
  {
    const spin_guard guard(g_->lock_);
    if (g_->running_ < g_->limit_) return false;
    g_->room_waiters_.push_back(*this);
    if (!r.claim.arm(claim_word::armed, r)) {
      unlink();
      refused = true;
    }
  }
  if (refused) refuse(*this, frame);
  return true;
}

void group_room_op::abandon(wait_point& self) noexcept {
  auto& op = static_cast<group_room_op&>(self);
  const spin_guard guard(op.g_->lock_);
  if (op.is_linked()) op.unlink();
}

const void* group_room_op::object(const wait_point& self) noexcept {
  return static_cast<const group_room_op&>(self).g_;
}

}  // namespace sluice::detail
