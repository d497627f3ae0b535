// SPDX-License-Identifier: MIT
// A boundary: the await of a task at which the unwinding of that task ends. The awaiting frame goes on, or
// is unwound in turn if its routine is still to stop.
//
//   begun     the task runs, in the context of the boundary
//   ended     with a result or an exception: the awaiting frame goes on
//   stopped   its frames have been destroyed. Out of the boundary's context, the routine is
//               to stop, and the boundary does not catch: the awaiting frame is unwound
//               not to stop, or the boundary catches: the awaiting frame goes on
#pragma once

#include <sluice/config.hpp>
#include <sluice/detail/coro/promise_base.hpp>
#include <sluice/detail/coro/trampoline.hpp>
#include <sluice/detail/sched/context_node.hpp>
#include <sluice/detail/sched/wait_point.hpp>

#include <coroutine>
#include <system_error>
#include <utility>

namespace sluice::detail {

/// What a boundary does besides.
struct boundary_kind {
  bool enters = false;   // it has a context of its own
  bool cancels = false;  // it cancels that when the task has ended
  bool shields = false;  // requests to stop that come from outside do not reach the task
  bool catches = false;  // the awaiting frame goes on whatever is requested
};

/// Invariants:
///   B1  routine::within is the innermost boundary whose task has begun and not ended; outer() the next one out
///   B2  a routine's boundaries lie outside of its forks: a child of a fork becomes a branch before it enters one
///   B3  while its task runs, one that enters a context is a member of its governor, unless that is cancelled
class SLUICE_EXPORT boundary : public call_link, public context_member {
 public:
  /// `context`: for a kind that enters.
  boundary(await_site s, std::coroutine_handle<promise_base> task, const boundary_kind& k,
           context_ref context = {}) noexcept
      : call_link(task, nullptr, s.at), head_(s.head), kind_(&k) {
    node = context.take();
  }

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> frame) noexcept;

  // --- the scheduler

  /// The task's frames are gone. Returns: whether the awaiting frame goes on.
  bool stop() noexcept;

  routine_head& head() const noexcept { return *head_; }
  boundary* outer() const noexcept { return outer_; }
  bool is_shielded() const noexcept { return shielded_; }
  /// Its membership, or that of the next boundary further out which enters a context; null: the routine's.
  const context_member* governing() const noexcept { return governing_; }

 protected:
  ~boundary() {
    if (child) child.destroy();
    const context_ref drop(node);
  }

  /// For await_resume(): the task has ended. Returns: whether it was stopped.
  bool end() noexcept {
    if (!left_) leave();
    return stopped_;
  }
  /// Why, if it was stopped.
  std::error_code cause() const noexcept;

 private:
  void leave() noexcept;

  routine_head* head_;
  const boundary_kind* kind_;
  boundary* outer_ = nullptr;  // owner, as all below
  const context_member* governing_ = nullptr;
  bool shielded_ = false;  // it, or one further out, shields
  bool left_ = false;
  bool stopped_ = false;
};

/// Ends stopped if the routine is to stop; else nothing: where a stop that was caught goes on.
class SLUICE_EXPORT stop_point_op final : public wait_point {
 public:
  explicit stop_point_op(await_site site) noexcept;
  bool await_suspend(std::coroutine_handle<> frame) noexcept;
  void await_resume() const noexcept {}
};

}  // namespace sluice::detail
