// SPDX-License-Identifier: MIT
// The fork of race.
#pragma once

#include <sluice/detail/sched/when_all_op.hpp>

#include <coroutine>
#include <cstddef>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace sluice {
template <class... T>
class race_result;
}

namespace sluice::detail {

template <class T>
using finished = std::optional<std::conditional_t<std::is_void_v<T>, std::tuple<>, T>>;

/// The await of race(tasks...).
template <class... T>
class [[nodiscard]] race_op final : public task_fork<T...> {
  using base = task_fork<T...>;

 public:
  race_op(await_site s, std::coroutine_handle<task_promise<T>>... frames) noexcept
      : base(s, forks_racers, frames...) {}
  ~race_op() = default;

  race_result<T...> await_resume() {
    if (this->winner() == nullptr) this->rethrow();
    return take(std::index_sequence_for<T...>());
  }

 private:
  template <class U>
  static finished<U> take_one(std::coroutine_handle<> frame) {
    if (!frame) return std::nullopt;
    auto& promise = std::coroutine_handle<task_promise<U>>::from_address(frame.address()).promise();
    if constexpr (std::is_void_v<U>) {
      promise.take();
      return std::tuple<>();
    } else {
      return promise.take();
    }
  }
  template <std::size_t... I>
  race_result<T...> take(std::index_sequence<I...>) {
    const auto first = static_cast<std::size_t>(this->winner() - this->children_);
    return race_result<T...>(first, take_one<T>(this->children_[I].child)...);
  }

  static constexpr fork_kind forks_racers{nullptr, base::give, base::detach,
                                          nullptr, nullptr,    true};
};

template <class... T>
using race_call = fork_call<race_op<T...>, T...>;

}  // namespace sluice::detail
