// SPDX-License-Identifier: MIT
// race: runs tasks beside each other until the first has a result.
#pragma once

#include <sluice/detail/sched/race_op.hpp>
#include <sluice/detail/sched/work.hpp>
#include <sluice/task.hpp>

#include <cstddef>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace sluice {

/// What a race has left: the winner's result, and the results of losers that had come to theirs as well.
template <class... T>
class race_result {
 public:
  /// Which task won, from 0.
  std::size_t index() const noexcept { return index_; }

  /// The result of task I, a std::optional: there is one for the winner, and perhaps for losers; for a
  /// task<void> it holds an empty tuple.
  template <std::size_t I>
  auto& get() noexcept {
    return std::get<I>(results_);
  }

  /// The winner's result, where all have the same type. Once.
  auto value()
    requires(sizeof...(T) != 0 &&
             (std::is_same_v<T, std::tuple_element_t<0, std::tuple<T...>>> && ...))
  {
    return take(std::index_sequence_for<T...>());
  }

  /// For the library.
  race_result(std::size_t winner, detail::finished<T>... results)
      : index_(winner), results_(std::move(results)...) {}

 private:
  template <std::size_t... I>
  auto take(std::index_sequence<I...>) {
    std::tuple_element_t<0, std::tuple<detail::finished<T>...>> won;
    static_cast<void>(((I == index_ ? (won.swap(std::get<I>(results_)), true) : false) || ...));
    return *std::move(won);
  }

  std::size_t index_;
  std::tuple<detail::finished<T>...> results_;
};

/// Runs tasks concurrently until the first ends with a result: `auto r = co_await race(ask(a), ask(b));`
///
/// They run as those of when_all do. The first result, in time, stops the others, and those that have not
/// begun never do; it is delivered once all have ended, so that what they refer to may be the caller's.
/// Returns: which one won, its result, and the results of losers that had one nevertheless.
/// Errors: rethrows the first exception if all have failed. Other exceptions are dropped.
/// Cancellation: a stop of the caller stops all, and takes effect when they have ended; if one has a result by then,
///   it is delivered.
/// Threads, lifetime, cost: as when_all.
template <class... T>
  requires(sizeof...(T) != 0)
detail::race_call<T...> race(task<T>... racers) {
  return detail::race_call<T...>(release_frame(racers)...);
}

/// An operation that loses has had no effect: that is what select is for.
template <class... W>
  requires(detail::operation_call<W> || ...)
void race(W&&...) = delete;  // race: takes tasks; operations of channels and timers go into select

}  // namespace sluice
