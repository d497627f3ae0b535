// SPDX-License-Identifier: MIT
// blocking: runs a call that blocks its thread on a thread meant for that.
#pragma once

#include <sluice/config.hpp>
#include <sluice/detail/sched/blocking_wait.hpp>
#include <sluice/detail/sched/op_call.hpp>
#include <sluice/detail/sched/start_routine.hpp>
#include <sluice/task.hpp>

#include <coroutine>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

namespace sluice {

namespace detail {
template <class F>
class blocking_op;
}

/// Runs f() on a thread of the executor's blocking pool: `auto n = co_await blocking([&] { ... });`
/// f is borrowed for the await, so it may refer to the routine's locals.
/// Suspends: until f has returned. Returns: what f returns. Errors: rethrows what f threw.
/// Cancellation: an f that no thread has begun is given up, and the routine ends stopped; one that
/// runs is waited for, its result delivered, and the next wait stops.
/// Cost: no allocation; two thread switches, about 50 us where a CPU has to be woken.
/// g++ 12: a temporary f must be trivially destructible (captures by reference or of plain values).
template <class F>
  requires detail::callable_with<F>
auto blocking(F&& f) noexcept {
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ <= 12
  static_assert(std::is_lvalue_reference_v<F> || std::is_trivially_destructible_v<F>,
                "blocking: g++ 12 would destroy the captures of a temporary lambda twice (GCC "
                "PR99576): name it first, or capture by reference");
#endif
  using callable = std::remove_reference_t<F>;
  return detail::op_call<detail::blocking_op<callable>, callable*>(std::addressof(f));
}

// Implementation

namespace detail {

template <class F>
class blocking_op final : public blocking_wait {
  using value = call_result<F&>;

 public:
  blocking_op(await_site s, F* f) noexcept : blocking_wait(s, &blocking_op::call_it), f_(f) {}
  ~blocking_op() = default;

  bool await_suspend(std::coroutine_handle<> frame) noexcept { return suspend(frame); }
  value await_resume() {
    if constexpr (std::is_void_v<value>) {
      if (failure_) std::rethrow_exception(std::move(failure_));
    } else {
      return result_.take();
    }
  }

 private:
  struct nothing {};

  static void call_it(blocking_wait& self) noexcept {
    auto& op = static_cast<blocking_op&>(self);
    try {
      if constexpr (std::is_void_v<value>) {
        (*op.f_)();
      } else {
        op.result_.set_value((*op.f_)());
      }
    } catch (...) {
      if constexpr (std::is_void_v<value>) {
        op.failure_ = std::current_exception();
      } else {
        op.result_.set_exception(std::current_exception());
      }
    }
  }

  F* f_;
  std::exception_ptr failure_;
  [[no_unique_address]] std::conditional_t<std::is_void_v<value>, nothing, result_slot<value>>
      result_;
};

}  // namespace detail
}  // namespace sluice
