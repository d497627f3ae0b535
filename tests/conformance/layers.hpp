// SPDX-License-Identifier: MIT
// Contexts in each other, of kinds that a seed chooses.
#pragma once

#include <sluice/clock.hpp>
#include <sluice/context.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace sluice_test {

inline constexpr std::size_t most_layers = 64;

template <std::size_t N>
struct layer {
  std::size_t number;
};

using add_layer = sluice::context (*)(const sluice::context&);
template <std::size_t... N>
constexpr auto layer_makers(std::index_sequence<N...>) {
  return std::array<add_layer, sizeof...(N)>{
      +[](const sluice::context& c) { return c.with_value<layer<N>>(N); }...};
}
using has_layer = bool (*)(const sluice::context&);
template <std::size_t... N>
constexpr auto layer_finders(std::index_sequence<N...>) {
  return std::array<has_layer, sizeof...(N)>{+[](const sluice::context& c) {
    const auto* v = c.value<layer<N>>();
    return v != nullptr && v->number == N;
  }...};
}
inline constexpr auto make_layer = layer_makers(std::make_index_sequence<most_layers>());
inline constexpr auto find_layer = layer_finders(std::make_index_sequence<most_layers>());

/// Contexts in each other, at least 30, of each kind one or more.
class layers {
 public:
  layers(std::uint64_t seed, sluice::duration timeout) : random_(seed) {
    for (int i = 0; i < 30 || values_ == 0 || owners_.empty() || timers_ == 0; ++i)
      add(timeout);
  }
  const sluice::context& top() const noexcept { return top_; }
  /// Whether each value can be seen from the top.
  bool has_all_values() const {
    for (std::size_t n = 0; n < values_; ++n)
      if (!find_layer[n](top_)) return false;
    return true;
  }
  void cancel_any() { owners_[random_() % owners_.size()].cancel(); }

 private:
  void add(sluice::duration timeout) {
    switch (random_() % 3) {
      case 0:
        if (values_ < most_layers) top_ = make_layer[values_++](top_);
        return;
      case 1:
        owners_.push_back(top_.with_cancel());
        break;
      default:
        owners_.push_back(top_.with_timeout(timeout));
        ++timers_;
    }
    top_ = owners_.back();
  }

  std::mt19937_64 random_;
  sluice::context top_;
  std::vector<sluice::owned_context> owners_;
  std::size_t values_ = 0;
  int timers_ = 0;
};

}  // namespace sluice_test
