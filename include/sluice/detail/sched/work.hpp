// SPDX-License-Identifier: MIT
// What a boundary runs: a task, an operation, or a callable that makes a task. All become the frame of a
// task, which is owned until it is awaited.
#pragma once

#include <sluice/detail/coro/promise_base.hpp>
#include <sluice/detail/sched/start_routine.hpp>
#include <sluice/task.hpp>

#include <coroutine>
#include <memory>
#include <type_traits>
#include <utility>

namespace sluice::detail {

/// The frame of a task that has not begun.
template <class T>
class owned_frame {
 public:
  explicit owned_frame(task<T>&& t) noexcept : frame_(release_frame(t)) {}
  owned_frame(owned_frame&& o) noexcept : frame_(std::exchange(o.frame_, nullptr)) {}
  owned_frame& operator=(owned_frame&&) = delete;
  ~owned_frame() {
    if (frame_) frame_.destroy();
  }
  std::coroutine_handle<promise_base> release() noexcept {
    return std::exchange(frame_, nullptr).promise().frame();
  }

 private:
  std::coroutine_handle<task_promise<T>> frame_;
};

template <class F>
concept makes_task = callable_with<F&> && is_task_type<call_result<F&>>;

template <class A>
concept operation_call = awaitable_call<A> && !owns_frames<std::remove_cvref_t<A>>;

template <class W>
concept work = makes_task<std::remove_reference_t<W>> || operation_call<W>;

template <class A>
using awaited_t = decltype(std::declval<A>().await_in(std::declval<await_site>()).await_resume());

template <class F>
consteval void check_callable() {
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ <= 12
  static_assert(
      std::is_lvalue_reference_v<F> || std::is_trivially_destructible_v<std::remove_reference_t<F>>,
      "g++ 12 would destroy the captures of a temporary lambda twice (GCC PR99576): name it "
      "first, or capture by reference");
#endif
}

template <class F>
task<typename call_result<F&>::value_type> run_callable(F f) {
  co_return co_await f();
}
template <class A>
task<awaited_t<A>> run_operation(A a) {
  co_return co_await std::move(a);
}

template <class T>
owned_frame<T> frame_of(task<T>&& t) noexcept {
  return owned_frame<T>(std::move(t));
}
/// A callable is kept until its task has ended: an lvalue is copied.
template <work W>
auto frame_of(W&& w) {
  using kept = std::remove_cvref_t<W>;
  if constexpr (makes_task<kept>) {
    check_callable<W>();
    return owned_frame(run_callable<kept>(std::forward<W>(w)));
  } else {
    return owned_frame(run_operation<kept>(std::forward<W>(w)));
  }
}

template <class W>
struct work_value;
template <class T>
struct work_value<owned_frame<T>> {
  using type = T;
};
/// The T of the task that a piece of work is.
template <class W>
using work_value_t = typename work_value<decltype(frame_of(std::declval<W>()))>::type;

}  // namespace sluice::detail
