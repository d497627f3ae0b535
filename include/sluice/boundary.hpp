// SPDX-License-Identifier: MIT
// What a routine may do about its own stop: see it as a value, and clean up with waits.
#pragma once

#include <sluice/context.hpp>
#include <sluice/detail/sched/boundary_op.hpp>

#include <exception>
#include <type_traits>
#include <utility>

namespace sluice {

/// Runs `work` (a task, an operation, or a callable that returns a task) and gives its stop as a value:
/// `auto r = co_await as_result(c.recv());`
/// Returns: result<T> of its T; if it was stopped an error with the cause: errc::canceled, ...
/// Errors: rethrows what it threw.
/// Cancellation: a stop that was seen so is not over: the next wait of the caller ends stopped. What must
///   still wait goes into without_cancel.
/// Cost: one frame.
template <class T>
auto as_result(task<T> work) {
  return detail::bound<detail::result_op>(detail::frame_of(std::move(work)), detail::catch_kind,
                                          detail::no_context{});
}
template <detail::work W>
auto as_result(W&& work) {
  return detail::bound<detail::result_op>(detail::frame_of(std::forward<W>(work)),
                                          detail::catch_kind, detail::no_context{});
}

namespace detail {

template <class T, class U>
task<T> run_finally(owned_frame<T> body, owned_frame<U> cleanup) {
  outcome<T> ended = co_await bound<outcome_op>(std::move(body), catch_kind, no_context{});
  try {
    static_cast<void>(
        co_await bound<value_op>(std::move(cleanup), shield_kind, shielded_context{}));
  } catch (...) {
    if (!ended.exception()) throw;  // the body's says more
  }
  if (ended.is_stopped()) co_await op_call<stop_point_op>();
  co_return ended.take();
}

}  // namespace detail

/// Runs `body`, then `cleanup`, which no stop reaches, however the body ended: Go's defer, with waits.
/// `co_await finally(use(conn), [&] { return conn.say_goodbye(); });`
/// Both are a task or a callable that returns one.
/// Returns: what the body returns. Errors: rethrows what the body threw; else what the cleanup threw.
/// Cancellation: a stop goes on when the cleanup has ended. Cost: three frames.
template <class T, class U>
task<T> finally(task<T> body, task<U> cleanup) {
  return detail::run_finally(detail::frame_of(std::move(body)),
                             detail::frame_of(std::move(cleanup)));
}
template <class T, detail::work C>
task<T> finally(task<T> body, C&& cleanup) {
  return detail::run_finally(detail::frame_of(std::move(body)),
                             detail::frame_of(std::forward<C>(cleanup)));
}
template <detail::work W, class U>
auto finally(W&& body, task<U> cleanup) {
  return detail::run_finally(detail::frame_of(std::forward<W>(body)),
                             detail::frame_of(std::move(cleanup)));
}
template <detail::work W, detail::work C>
auto finally(W&& body, C&& cleanup) {
  return detail::run_finally(detail::frame_of(std::forward<W>(body)),
                             detail::frame_of(std::forward<C>(cleanup)));
}

}  // namespace sluice
