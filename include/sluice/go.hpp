// SPDX-License-Identifier: MIT
// go: starts a routine. join_handle: waits for what it returns.
#pragma once

#include <sluice/detail/sched/join.hpp>
#include <sluice/detail/sched/start_routine.hpp>

#include <cstdint>
#include <source_location>
#include <type_traits>
#include <utility>

namespace sluice {

/// Refers to a routine and takes its result, once. Made by `go`.
///
/// `T v = co_await std::move(h);` waits until the routine has ended.
///   Returns: its result. Errors: rethrows what it threw; throws stopped_error if it was stopped.
///   Cancellation: stops the waiting routine; the routine waited for goes on, detached.
///   Cost: no allocation; a routine that has ended already is joined without suspending.
/// Dropped: the routine goes on by itself, as in Go. An exception that nobody joins panics.
/// Threads: a handle may be moved to and used on any thread, one at a time.
template <class T = void>
class join_handle {
 public:
  join_handle() noexcept = default;
  join_handle(join_handle&&) noexcept = default;
  join_handle& operator=(join_handle&&) noexcept = default;

  /// Whether it refers to a routine: not after a move or a join.
  explicit operator bool() const noexcept { return static_cast<bool>(ref_); }

  /// The routine's number, unique in the process. Requires: refers to a routine.
  std::uint64_t id() const noexcept { return ref_.id(); }

  /// Asks the routine to stop: the wait it is in, or the next one it begins, ends stopped; its frames
  /// are destroyed on a worker, innermost first. A wait that has been completed already delivers.
  /// Returns at once. Idempotent. Threads: any. Cost: one membarrier (about 1 us).
  void cancel() const noexcept { ref_.request_stop(); }

  /// Blocks the calling thread until the routine has ended; for threads outside any executor.
  /// Returns and throws as co_await does. Errors: panics on a worker, which it would block.
  T get() && {
    const detail::routine_ref ref = std::move(ref_);
    ref.wait_blocking();
    return detail::take_result<T>(ref);
  }

  /// For co_await.
  detail::join_op<T> await_in(detail::await_site site) && {
    return detail::join_op<T>(site, std::move(ref_));
  }

  /// For the library.
  explicit join_handle(detail::routine_ref ref) noexcept : ref_(std::move(ref)) {}

 private:
  detail::routine_ref ref_;
};

/// Starts a routine that runs f(args...): on the executor of the running routine, beside it.
///
/// f: a function, lambda or pointer to member function that returns task<T> (or a plain T); it and
/// the arguments are copied or moved into the routine before `go` returns, so capturing lambdas and
/// temporaries are safe. Arguments are values: T&, std::ref, string_view and span do not compile; a
/// pointer is an explicit borrow.
/// Returns: a handle; dropping it detaches the routine.
/// Errors: panics outside a routine (executor::go works there). Throws what copying throws.
/// Cost: one frame (two if f captures, takes references, or converts); no system call unless a worker is idle.
/// At most 8 arguments; gather more in a struct.
template <class F>
  requires detail::startable<F>
auto go(F&& f, std::source_location site = std::source_location::current()) {
  return join_handle<detail::routine_value_t<F>>(
      detail::start_routine({nullptr, site}, std::forward<F>(f)));
}

// One overload for each number of arguments: a parameter pack cannot stand before the defaulted
// source_location that gives the spawn site.
template <class F, class A1>
  requires detail::startable<F, A1>
auto go(F&& f, A1&& a1, std::source_location site = std::source_location::current()) {
  return join_handle<detail::routine_value_t<F, A1>>(
      detail::start_routine({nullptr, site}, std::forward<F>(f), std::forward<A1>(a1)));
}
template <class F, class A1, class A2>
  requires detail::startable<F, A1, A2>
auto go(F&& f, A1&& a1, A2&& a2, std::source_location site = std::source_location::current()) {
  return join_handle<detail::routine_value_t<F, A1, A2>>(detail::start_routine(
      {nullptr, site}, std::forward<F>(f), std::forward<A1>(a1), std::forward<A2>(a2)));
}
template <class F, class A1, class A2, class A3>
  requires detail::startable<F, A1, A2, A3>
auto go(F&& f, A1&& a1, A2&& a2, A3&& a3,
        std::source_location site = std::source_location::current()) {
  return join_handle<detail::routine_value_t<F, A1, A2, A3>>(
      detail::start_routine({nullptr, site}, std::forward<F>(f), std::forward<A1>(a1),
                            std::forward<A2>(a2), std::forward<A3>(a3)));
}
template <class F, class A1, class A2, class A3, class A4>
  requires detail::startable<F, A1, A2, A3, A4>
auto go(F&& f, A1&& a1, A2&& a2, A3&& a3, A4&& a4,
        std::source_location site = std::source_location::current()) {
  return join_handle<detail::routine_value_t<F, A1, A2, A3, A4>>(
      detail::start_routine({nullptr, site}, std::forward<F>(f), std::forward<A1>(a1),
                            std::forward<A2>(a2), std::forward<A3>(a3), std::forward<A4>(a4)));
}
template <class F, class A1, class A2, class A3, class A4, class A5>
  requires detail::startable<F, A1, A2, A3, A4, A5>
auto go(F&& f, A1&& a1, A2&& a2, A3&& a3, A4&& a4, A5&& a5,
        std::source_location site = std::source_location::current()) {
  return join_handle<detail::routine_value_t<F, A1, A2, A3, A4, A5>>(detail::start_routine(
      {nullptr, site}, std::forward<F>(f), std::forward<A1>(a1), std::forward<A2>(a2),
      std::forward<A3>(a3), std::forward<A4>(a4), std::forward<A5>(a5)));
}
template <class F, class A1, class A2, class A3, class A4, class A5, class A6>
  requires detail::startable<F, A1, A2, A3, A4, A5, A6>
auto go(F&& f, A1&& a1, A2&& a2, A3&& a3, A4&& a4, A5&& a5, A6&& a6,
        std::source_location site = std::source_location::current()) {
  return join_handle<detail::routine_value_t<F, A1, A2, A3, A4, A5, A6>>(detail::start_routine(
      {nullptr, site}, std::forward<F>(f), std::forward<A1>(a1), std::forward<A2>(a2),
      std::forward<A3>(a3), std::forward<A4>(a4), std::forward<A5>(a5), std::forward<A6>(a6)));
}
template <class F, class A1, class A2, class A3, class A4, class A5, class A6, class A7>
  requires detail::startable<F, A1, A2, A3, A4, A5, A6, A7>
auto go(F&& f, A1&& a1, A2&& a2, A3&& a3, A4&& a4, A5&& a5, A6&& a6, A7&& a7,
        std::source_location site = std::source_location::current()) {
  return join_handle<detail::routine_value_t<F, A1, A2, A3, A4, A5, A6, A7>>(
      detail::start_routine({nullptr, site}, std::forward<F>(f), std::forward<A1>(a1),
                            std::forward<A2>(a2), std::forward<A3>(a3), std::forward<A4>(a4),
                            std::forward<A5>(a5), std::forward<A6>(a6), std::forward<A7>(a7)));
}
template <class F, class A1, class A2, class A3, class A4, class A5, class A6, class A7, class A8>
  requires detail::startable<F, A1, A2, A3, A4, A5, A6, A7, A8>
auto go(F&& f, A1&& a1, A2&& a2, A3&& a3, A4&& a4, A5&& a5, A6&& a6, A7&& a7, A8&& a8,
        std::source_location site = std::source_location::current()) {
  return join_handle<detail::routine_value_t<F, A1, A2, A3, A4, A5, A6, A7, A8>>(
      detail::start_routine({nullptr, site}, std::forward<F>(f), std::forward<A1>(a1),
                            std::forward<A2>(a2), std::forward<A3>(a3), std::forward<A4>(a4),
                            std::forward<A5>(a5), std::forward<A6>(a6), std::forward<A7>(a7),
                            std::forward<A8>(a8)));
}

/// A task that was made already is not started: `go(f(x))` would run f's body with arguments that may
/// be gone. Write go(f, x).
template <class T, class... A>
void go(task<T>, A&&...) = delete;  // go: write go(f, args...), not go(f(args...))

/// Chosen when f does not take the arguments as they are kept: a `T&` parameter, say, which would
/// refer to go's own copy. (A deleted function's line is what compilers print.)
template <class F, class... A>
  requires detail::not_startable<F, A...>
void go(F&&, A&&...) = delete;  // go: f cannot be called with copies of the arguments

}  // namespace sluice
