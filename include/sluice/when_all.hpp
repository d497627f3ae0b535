// SPDX-License-Identifier: MIT
// when_all: runs tasks beside each other and waits for all. go_range: starts as many routines as there
// are indices, at the price of one.
#pragma once

#include <sluice/detail/sched/when_all_op.hpp>
#include <sluice/go.hpp>
#include <sluice/task.hpp>

#include <concepts>
#include <cstddef>
#include <source_location>
#include <type_traits>
#include <utility>
#include <vector>

namespace sluice {

/// Runs tasks concurrently and waits for all: `auto [a, b] = co_await when_all(f(x), g(y));`
///
/// The first begins at once, and runs as an awaited task does, as a part of the awaiting routine, until it
/// awaits an operation (a channel, a sleep, a file, ...): then it goes on as a routine of its own, with a
/// number of its own in dumps, and the next one begins. Workers that have nothing to do take children
/// that have not begun, the last ones first.
/// Returns: a tuple of the results of those that have one, in order; void if none has.
/// Errors: the first exception, in time, asks the others to stop, and is rethrown once all have
///   ended; those that have not begun never do. Exceptions that come later are dropped.
/// Cancellation: a routine that was asked to stop begins none. A later stop stops the children, and takes
///   effect when all have ended; if all have results nevertheless, these are delivered.
/// Lifetime: what the tasks refer to has to live until the end of the co_await expression: locals and
///   temporaries of the caller may be passed by reference.
/// Threads: children may run at the same time, on any worker of the executor.
/// Cost: one frame each; a child that waits for nothing costs what awaiting it costs. No other allocation.
template <class... T>
  requires(sizeof...(T) != 0)
detail::when_all_call<T...> when_all(task<T>... children) {
  return detail::when_all_call<T...>(release_frame(children)...);
}

/// Runs f(0) to f(n - 1) concurrently, as above: `co_await when_all(urls.size(), fetch_one);`
///
/// f: a callable that takes an index and returns a task<T>; called while others of its tasks run, so it
///   is called as const. Kept until all have ended.
/// Returns: a vector of the n results, in order (T default-constructible and movable); void for task<>.
/// Errors, cancellation: as above.
/// Cost: frames are made as the children begin: as many at a time as there are children that wait. One
///   allocation for the results.
template <class F>
  requires detail::indexed_task<F>
task<detail::range_result_t<F>> when_all(std::size_t n, F f) {
  if constexpr (std::is_void_v<detail::range_result_t<F>>) {
    co_await detail::range_call<F>(f, nullptr, 0, n);
  } else {
    detail::range_results<detail::indexed_value_t<F>> results(n);
    co_await detail::range_call<F>(f, results.data(), 0, n);
    co_return std::move(results).take();
  }
}

template <class F>
  requires(!detail::indexed_task<F>)
void when_all(std::size_t, F) = delete;  // when_all: f(index) is called as const and returns a task

/// Starts a routine that runs f(0) to f(n - 1) as when_all does: `auto h = go_range(n, f);`
///
/// The arguments are the routine's own, as those of `go`; the handle joins, cancels and detaches all.
/// Returns: a handle of a vector of results, or of void.
/// Errors, cost: as when_all; panics outside a routine.
template <class F>
  requires detail::indexed_task<std::decay_t<F>>
auto go_range(std::size_t n, F&& f, std::source_location site = std::source_location::current()) {
  return go(
      [](std::size_t count, std::decay_t<F> each) { return when_all(count, std::move(each)); }, n,
      std::forward<F>(f), site);
}

}  // namespace sluice
