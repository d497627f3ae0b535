// SPDX-License-Identifier: MIT
// The part of a task's promise that does not depend on its result: where it stands in its routine's
// await chain, how it hands over, where its frame comes from, and what it may await.
#pragma once

#include <sluice/detail/base/assert.hpp>
#include <sluice/detail/coro/frame_alloc.hpp>
#include <sluice/detail/coro/trampoline.hpp>

#include <concepts>
#include <cstddef>
#include <source_location>
#include <type_traits>
#include <utility>

namespace sluice {
template <class T>
class task;
}

namespace sluice::detail {

template <class T>
class task_awaiter;

/// What `co_await` takes besides a task: something that makes its operation in the awaiting frame.
template <class A>
concept awaitable_call = requires(A&& a, await_site site) { std::forward<A>(a).await_in(site); };

template <class T>
inline constexpr bool is_task = false;
template <class T>
inline constexpr bool is_task<task<T>> = true;  // a prvalue; an lvalue is not awaitable

/// Calls that own frames are awaited by value, as a task is: what makes a fork of them, and what makes a
/// boundary.
template <class A>
inline constexpr bool is_fork_call = false;
template <class A>
inline constexpr bool is_boundary_call = false;
template <class A>
inline constexpr bool owns_frames = is_fork_call<A> || is_boundary_call<A>;

template <class>
inline constexpr bool never = false;

/// Makes a routine of the running child of the innermost fork, whose innermost frame is `leaf`'s: it is
/// about to await an operation. Throws std::bad_alloc.
SLUICE_EXPORT void split_off(promise_base& leaf);

/// The running child of the routine's innermost fork ends with an exception.
SLUICE_EXPORT void note_failure(routine_head& routine) noexcept;

/// At the end of a frame: the caller is next, or the routine has finished.
struct final_awaiter {
  final_awaiter() noexcept {}
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> frame) const noexcept {
    frame.promise().hand_back();
  }
  void await_resume() const noexcept {}
};

class promise_base {
 public:
  promise_base() noexcept = default;
  promise_base(const promise_base&) = delete;
  promise_base& operator=(const promise_base&) = delete;

  std::suspend_always initial_suspend() const noexcept { return {}; }
  final_awaiter final_suspend() const noexcept { return {}; }

  /// A task is awaited by value: only the expression that makes it can await it.
  template <class T>
  task_awaiter<T> await_transform(task<T> child,
                                  std::source_location at = std::source_location::current());

  template <awaitable_call A>
    requires(!owns_frames<std::remove_cvref_t<A>>)
  auto await_transform(A&& call, std::source_location at = std::source_location::current()) {
    // What waits is a routine: a wait that several children of a fork had a part in would end for one.
    if (head->inner != nullptr) [[unlikely]] {
      split_off(*this);
    }
    return std::forward<A>(call).await_in(await_site{head, at});
  }

  template <class A>
    requires owns_frames<A>
  auto await_transform(A call, std::source_location at = std::source_location::current()) {
    if constexpr (is_boundary_call<A>) {
      if (head->inner != nullptr) [[unlikely]] {
        split_off(*this);
      }
    }
    return std::move(call).await_in(await_site{head, at});
  }

  template <class Other>
    requires(!awaitable_call<Other> && !is_task<Other> && !owns_frames<std::remove_cvref_t<Other>>)
  std::suspend_never await_transform(Other&&) {
    static_assert(never<Other>,
                  "co_await takes a task in the expression that makes it, an operation of the "
                  "library, or std::move(handle) of a join_handle");
    return {};
  }

  /// Names the next frame to run: called at the final suspension point.
  void hand_back() noexcept {
    if (link->caller != nullptr) {
      head->hop->next = link->caller->frame();
    } else {
      head->hop->end = verdict::finished;
    }
  }

  /// An exception leaves the coroutine. One that comes out of a frame which is being destroyed is a
  /// destructor's: the coroutine's own handler would swallow it, and leak the frame.
  void check_exception() const noexcept {
    SLUICE_ASSERT(!head->hop->unwinding, "unwind: destructor threw in a stopped routine");
    if (link->caller == nullptr && head->inner != nullptr) note_failure(*head);
  }

  /// The frame this promise lies in. Holds for every task: promises are aligned to at most 16 bytes,
  /// so that each lies at the same distance from the start of its frame.
  std::coroutine_handle<promise_base> frame() noexcept {
    return std::coroutine_handle<promise_base>::from_promise(*this);
  }
  static promise_base& of(std::coroutine_handle<> frame) noexcept {
    return std::coroutine_handle<promise_base>::from_address(frame.address()).promise();
  }

  static void* operator new(std::size_t bytes) { return frame_allocate(bytes); }
  static void operator delete(void* frame, std::size_t bytes) noexcept { frame_free(frame, bytes); }

  routine_head* head = nullptr;  // set when awaited or started
  call_link* link = nullptr;     // in the awaiting frame, or the routine's root
};

}  // namespace sluice::detail
