// SPDX-License-Identifier: MIT
// A deadline in a worker's timer heap. Lives in the waiting frame, or in a context.
#pragma once

#include <sluice/clock.hpp>
#include <sluice/detail/base/immovable.hpp>

#include <cstdint>

namespace sluice::detail {

class timer_heap;
class wait_point;

struct timer_node : immovable {
  explicit timer_node(wait_point& w) noexcept : wait(&w) {}

  static constexpr std::uint32_t outside = ~std::uint32_t{0};

  wait_point* wait;               // whose wait the deadline ends; null: it is a context_deadline
  timer_heap* heap = nullptr;     // the heap it was put into; immutable while armed
  std::uint32_t index = outside;  // place in that heap; guarded by the heap's lock

 protected:
  timer_node() noexcept : wait(nullptr) {}
};

}  // namespace sluice::detail
