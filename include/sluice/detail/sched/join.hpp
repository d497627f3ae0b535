// SPDX-License-Identifier: MIT
// Waiting for a routine to end, and taking what it left.
#pragma once

#include <sluice/config.hpp>
#include <sluice/detail/sched/spawn.hpp>
#include <sluice/detail/sched/wait_point.hpp>
#include <sluice/task.hpp>

#include <coroutine>
#include <source_location>
#include <utility>

namespace sluice::detail {

/// Moves the result out of a finished routine, or throws what it threw, or stopped_error.
template <class T>
T take_result(const routine_ref& ref) {
  const auto root = ref.take_finished();
  return std::coroutine_handle<task_promise<T>>::from_address(root.address()).promise().take();
}

/// The compiled half of join_op.
class SLUICE_EXPORT join_wait : public wait_point {
 public:
  /// Panics if `target` refers to nothing.
  join_wait(await_site site, routine_ref target);

  /// Returns: whether the routine is suspended; not if the target has ended already.
  bool await_suspend(std::coroutine_handle<> frame) noexcept;

 protected:
  ~join_wait() = default;
  routine_ref target_;

 private:
  static void abandon(wait_point& self) noexcept;
  static const void* object(const wait_point& self) noexcept;
  static constexpr wait_kind join_kind{wait_reason::join, abandon, nullptr, object};
};

/// The await of a join_handle.
template <class T>
class [[nodiscard("co_await it")]] join_op final : public join_wait {
 public:
  using join_wait::join_wait;
  ~join_op() = default;
  T await_resume() { return take_result<T>(target_); }
};

}  // namespace sluice::detail
