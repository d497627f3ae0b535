// SPDX-License-Identifier: MIT
// task<T>: the lazy result of a coroutine function.
//
// A task is not a thread of control: it runs inside the routine that awaits it, as an ordinary call
// does. `go` (go.hpp) starts a routine.
#pragma once

#include <sluice/detail/coro/promise_base.hpp>

#include <coroutine>
#include <exception>
#include <new>
#include <source_location>
#include <type_traits>
#include <utility>

namespace sluice {

namespace detail {
template <class T>
class task_promise;
}  // namespace detail

/// The result of a coroutine function: `task<int> f(args) { ... co_return 1; }`, awaited in the
/// expression that makes it: `int i = co_await f(args);`.
///
/// It starts when awaited, on the worker that awaits it, and is immovable: it cannot be stored and
/// awaited later, so arguments taken by reference and capturing lambdas live long enough.
/// Returns: T (an object type, a reference, or void), moved out of the frame.
/// Errors: an exception that leaves the coroutine is rethrown by the await.
/// Cancellation: awaiting a task is no cancellation point; the waits inside it are.
/// Cost: one frame from the worker's pool; no other allocation. Stack use does not grow with depth.
template <class T = void>
class [[nodiscard("co_await it")]] task {
 public:
  using value_type = T;
  using promise_type = detail::task_promise<T>;

  task(const task&) = delete;  // co_await takes a task in the expression that makes it
  task& operator=(const task&) = delete;
  ~task() {
    if (frame_) frame_.destroy();
  }

 private:
  friend promise_type;
  friend class detail::promise_base;
  template <class U>
  friend std::coroutine_handle<detail::task_promise<U>> release_frame(task<U>& t) noexcept;

  explicit task(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}

  std::coroutine_handle<promise_type> frame_;
};

// Implementation

/// For the library: takes the unstarted frame out of a task.
template <class T>
std::coroutine_handle<detail::task_promise<T>> release_frame(task<T>& t) noexcept {
  return std::exchange(t.frame_, nullptr);
}

namespace detail {

/// Holds what a task's coroutine returned or threw, until it is taken.
template <class T>
class result_slot {
  using stored =
      std::conditional_t<std::is_reference_v<T>, std::add_pointer_t<std::remove_reference_t<T>>, T>;

 public:
  result_slot() noexcept {}
  result_slot(const result_slot&) = delete;
  result_slot& operator=(const result_slot&) = delete;
  ~result_slot() {
    if (holds_ == content::value) value_.~stored();
    if (holds_ == content::exception) exception_.~exception_ptr();
  }

  template <class U>
  void set_value(U&& u) noexcept(std::is_nothrow_constructible_v<T, U&&>) {
    if constexpr (std::is_reference_v<T>) {
      T bound = static_cast<U&&>(u);
      ::new (static_cast<void*>(&value_)) stored(&bound);
    } else {
      ::new (static_cast<void*>(&value_)) stored(static_cast<U&&>(u));
    }
    holds_ = content::value;
  }
  void set_exception(std::exception_ptr e) noexcept {
    ::new (static_cast<void*>(&exception_)) std::exception_ptr(std::move(e));
    holds_ = content::exception;
  }
  T take() {
    if (holds_ == content::exception) std::rethrow_exception(std::move(exception_));
    if constexpr (std::is_reference_v<T>) {
      return static_cast<T>(*value_);
    } else {
      return static_cast<T&&>(value_);
    }
  }
  std::exception_ptr exception() const noexcept {
    return holds_ == content::exception ? exception_ : nullptr;
  }

 private:
  enum class content : unsigned char { nothing, value, exception };
  union {
    stored value_;
    std::exception_ptr exception_;
  };
  content holds_ = content::nothing;
};

template <class T>
class task_promise final : public promise_base {
 public:
  task<T> get_return_object() noexcept {
    return task<T>(std::coroutine_handle<task_promise>::from_promise(*this));
  }
  template <class U = T>
    requires std::is_constructible_v<T, U&&>
  void return_value(U&& u) noexcept(std::is_nothrow_constructible_v<T, U&&>) {
    result_.set_value(static_cast<U&&>(u));
  }
  void unhandled_exception() noexcept {
    check_exception();
    result_.set_exception(std::current_exception());
  }

  T take() { return result_.take(); }
  std::exception_ptr exception() const noexcept { return result_.exception(); }

 private:
  result_slot<T> result_;
};

template <>
class task_promise<void> final : public promise_base {
 public:
  task<void> get_return_object() noexcept {
    return task<void>(std::coroutine_handle<task_promise>::from_promise(*this));
  }
  void return_void() const noexcept {}
  void unhandled_exception() noexcept {
    check_exception();
    exception_ = std::current_exception();
  }

  void take() {
    if (exception_) std::rethrow_exception(std::move(exception_));
  }
  std::exception_ptr exception() const noexcept { return exception_; }

 private:
  std::exception_ptr exception_;
};

/// The await of a task. Lies in the caller's frame, owns the callee's.
template <class T>
class [[nodiscard]] task_awaiter : private call_link {
 public:
  task_awaiter(std::coroutine_handle<task_promise<T>> callee, promise_base& from,
               std::source_location at) noexcept
      : call_link(callee, &from, at) {
    static_assert(alignof(task_promise<T>) <= 16,
                  "task<T>: keep results aligned beyond 16 bytes behind a pointer");
    callee.promise().head = from.head;
    callee.promise().link = this;
  }
  ~task_awaiter() {
    if (child) child.destroy();
  }
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<>) noexcept { caller->head->hop->next = child; }
  T await_resume() {
    return std::coroutine_handle<task_promise<T>>::from_address(child.address()).promise().take();
  }
};

template <class T>
task_awaiter<T> promise_base::await_transform(task<T> callee, std::source_location at) {
  return task_awaiter<T>(release_frame(callee), *this, at);
}

}  // namespace detail
}  // namespace sluice
