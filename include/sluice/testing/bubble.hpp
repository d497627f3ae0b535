// SPDX-License-Identifier: MIT
// bubble: runs routines under a virtual clock and a seed, on the calling thread alone.
//
// Inside, workers take turns in an order that the seed chooses, steals and completions included; when
// every routine waits, the clock jumps to the next deadline. So a test of an hour takes microseconds,
// and a run that failed can be had again.
#pragma once

#include <sluice/config.hpp>
#include <sluice/detail/sched/op_call.hpp>
#include <sluice/detail/sched/wait_point.hpp>
#include <sluice/go.hpp>

#include <coroutine>
#include <cstdint>
#include <memory>
#include <source_location>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace sluice::testing {

struct bubble_options {
  /// Chooses the run. The environment variable SLUICE_SEED has precedence.
  std::uint64_t seed = 1;
  /// Simulated workers: who steals from whom. At least 1.
  int workers = 3;
};
static_assert(std::is_trivially_destructible_v<bubble_options>);

/// What went wrong in a bubble: a deadlock, a leak, or an exception that nobody joins. what() names
/// the seed and lists the routines.
class SLUICE_EXPORT bubble_failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  bubble_failure(const bubble_failure&) = default;
  bubble_failure& operator=(const bubble_failure&) = default;
  ~bubble_failure() override;
};

/// Runs f() as the main routine of a bubble. When it returns, the other routines run on, with the
/// clock standing still, until each has ended or waits; all must end.
/// Returns: what f's task returns.
/// Errors: rethrows what it threw; throws bubble_failure if every routine waits and no deadline, timer
/// or operation is pending (a deadlock), if a routine is left when the main one has ended (a leak), or
/// if an exception left a routine that nobody joins. All routines are stopped and unwound before.
/// Threads: the calling one only; blocking(f) runs f at once. Not inside a routine.
/// Files and descriptors are the real ones; operations complete at a moment that the seed chooses.
template <class F>
  requires detail::startable<F>
auto bubble(F&& f, const bubble_options& options = {},
            std::source_location site = std::source_location::current());

}  // namespace sluice::testing

namespace sluice {

namespace detail {

class SLUICE_EXPORT settle_op final : public wait_point {
 public:
  explicit settle_op(await_site site) noexcept;
  bool await_suspend(std::coroutine_handle<> frame);
  void await_resume() const noexcept {}

 private:
  static void abandon(wait_point& self) noexcept;
  static const wait_kind settle_kind;
};

/// A bubble, from the template's side.
class SLUICE_EXPORT bubble_run {
 public:
  explicit bubble_run(const testing::bubble_options& options);
  bubble_run(const bubble_run&) = delete;
  bubble_run& operator=(const bubble_run&) = delete;
  ~bubble_run();

  executor_core& core() noexcept;
  /// Takes turns until the main routine has ended and nothing moves; throws bubble_failure.
  void drive(const routine_ref& main_routine);

 private:
  class driver;
  std::unique_ptr<driver> driver_;
};

}  // namespace detail

namespace testing {

/// Waits until every other routine of the bubble waits for something that only the clock, or this
/// routine, can bring: Go's synctest.Wait. `co_await settle();`
/// Cancellation: ends stopped. Errors: panics outside a bubble.
inline detail::op_call<detail::settle_op> settle() noexcept {
  return detail::op_call<detail::settle_op>();
}

// Implementation

template <class F>
  requires detail::startable<F>
auto bubble(F&& f, const bubble_options& options, std::source_location site) {
  using value = detail::routine_value_t<F>;
  detail::bubble_run run(options);
  detail::routine_ref main_routine =
      detail::start_routine({&run.core(), site, "main"}, std::forward<F>(f));
  run.drive(main_routine);
  return detail::take_result<value>(main_routine);
}

}  // namespace testing
}  // namespace sluice
