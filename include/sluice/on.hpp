// SPDX-License-Identifier: MIT
// on: a part of a routine's work, done on another executor.
#pragma once

#include <sluice/context.hpp>
#include <sluice/detail/sync/group_core.hpp>
#include <sluice/detail/sync/group_start.hpp>
#include <sluice/error.hpp>
#include <sluice/runtime.hpp>
#include <sluice/task.hpp>

#include <optional>
#include <source_location>
#include <tuple>
#include <type_traits>
#include <utility>

namespace sluice {

/// An executor and the place in the program that names it.
struct executor_here {
  executor_here(executor& ex, std::source_location site = std::source_location::current()) noexcept
      : there(ex), at(site) {}
  executor& there;
  std::source_location at;
};

/// Runs f(args...) on that executor, as a routine of it in the ambient context, and returns to this one:
/// `auto page = co_await on(renderers, render, document);`
///
/// f returns a task<T> or a plain T. The caller waits, so that arguments may borrow: a string_view, a span,
/// std::ref(x).
/// Returns: what f returns. Errors: rethrows what it threw; throws stopped_error if the other executor is
///   shut down; throws std::bad_alloc, or what copying throws.
/// Cancellation: a stop of the caller stops f, and takes effect when that has ended; a result that it has by then
///   is delivered.
/// Lifetime: what f has started by `go` stops when it returns, as in a group.
/// Cost: two hand-overs between threads; a context and three frames.
template <class F, class... A>
  requires detail::startable<F, A...>
auto on(executor_here ex, F&& f, A&&... args);
template <class T, class... A>
void on(executor_here, task<T>, A&&...) = delete;  // on: write on(ex, f, args...)

// Implementation

namespace detail {

template <class F, class... A>
task<routine_value_t<F, A...>> run_on(executor_here ex, F f, A... args) {
  using made = call_result<F, A...>;
  using value = routine_value_t<F, A...>;
  co_await op_call<stop_point_op>();  // whoever is to stop begins nothing elsewhere
  std::optional<std::conditional_t<std::is_void_v<value>, std::tuple<>, value>> out;
  group_core group(group_core::no_limit, false);
  auto work = [&]() -> task<> {
    if constexpr (!is_task_type<made> && !std::is_void_v<value>) {
      out.emplace(detail::call(std::move(f), std::move(args)...));
    } else if constexpr (!is_task_type<made>) {
      detail::call(std::move(f), std::move(args)...);
      out.emplace();
    } else if constexpr (std::is_void_v<value>) {
      co_await detail::call(std::move(f), std::move(args)...);
      out.emplace();
    } else {
      out.emplace(co_await detail::call(std::move(f), std::move(args)...));
    }
    co_return;
  };
  group.admit();
  start_in_group(group, false, {&ex.there.core(), ex.at}, work);
  for (bool all = false; !all;) {
    all = co_await op_call<group_join_op, group_core*>(&group);
  }
  static_cast<void>(group.take_failure());  // throws what f threw
  if (!out) {
    co_await op_call<stop_point_op>();
    throw stopped_error();  // it was not this routine that somebody stopped
  }
  if constexpr (!std::is_void_v<value>) co_return *std::move(out);
}

}  // namespace detail

template <class F, class... A>
  requires detail::startable<F, A...>
auto on(executor_here ex, F&& f, A&&... args) {
  detail::check_callable<F>();
  return detail::run_on<std::decay_t<F>, std::decay_t<A>...>(ex, std::forward<F>(f),
                                                             std::forward<A>(args)...);
}

}  // namespace sluice
