// SPDX-License-Identifier: MIT
// What a worker counts: written by its thread alone, read by anyone at any time.
#pragma once

#include <sluice/detail/base/atomic.hpp>

#include <cstdint>

namespace sluice::detail {

/// A counter with one writer: an ordinary addition, no locked instruction.
class counter {
 public:
  void add(std::uint64_t n = 1) noexcept {
    // relaxed: only the owner writes; release so that a reader who acquires sees what was counted [K1]
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_release);
  }
  std::uint64_t load() const noexcept {
    return value_.load(std::memory_order_acquire);  // acquire: pairs with the release in add() [K1]
  }

 private:
  atomic<std::uint64_t> value_{0};
};

struct worker_counters {
  counter spawned;         // routines started here
  counter finished;        // routines that ended here
  counter resumed;         // times a routine was taken on
  counter parks;           // times the worker blocked
  counter wakes;           // wake-ups sent to other workers
  counter spurious_wakes;  // times it was woken and found nothing to do
  counter steals;          // successful steals
  counter stolen;          // routines taken by them
  counter overflows;       // times half the run queue went to the injection queue
  counter stopped;         // routines that ended stopped
};

}  // namespace sluice::detail
