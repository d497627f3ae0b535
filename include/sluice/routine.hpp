// SPDX-License-Identifier: MIT
// What a routine can say of itself and do to itself: its number, its name, yield.
#pragma once

#include <sluice/config.hpp>
#include <sluice/detail/sched/op_call.hpp>
#include <sluice/detail/sched/wait_point.hpp>

#include <coroutine>
#include <cstdint>
#include <string_view>

namespace sluice {

namespace this_routine {

/// Returns: the running routine's number, unique in the process, from 1; 0 outside a routine.
SLUICE_EXPORT std::uint64_t id() noexcept;

/// Names the running routine for dumps, traces and panics; copied. Nothing outside a routine.
SLUICE_EXPORT void set_name(std::string_view name);

/// Returns: the name given, or "". Lifetime: until the next set_name or the routine's end.
SLUICE_EXPORT std::string_view name() noexcept;

}  // namespace this_routine

namespace detail {

class SLUICE_EXPORT yield_op final : public wait_point {
 public:
  explicit yield_op(await_site site) noexcept;
  void await_suspend(std::coroutine_handle<> frame) noexcept;
  void await_resume() const noexcept {}
};

}  // namespace detail

/// Lets the other runnable routines of this worker go first: `co_await yield();`, Go's Gosched.
/// Cancellation: ends stopped if a stop was requested. Cost: no allocation, no system call.
inline detail::op_call<detail::yield_op> yield() noexcept {
  return detail::op_call<detail::yield_op>();
}

}  // namespace sluice
