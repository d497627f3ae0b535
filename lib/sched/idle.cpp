// SPDX-License-Identifier: MIT
#include "sched/idle.hpp"

#include "base/asymmetric.hpp"

#include <algorithm>
#include <bit>

namespace sluice::detail {

bool idle_set::should_wake() const noexcept {
  // seq_cst loads after the push (light_store or seq_cst): pair with add() and end_search() [A1] [A2]
  // Above 0, not just non-zero: between the two steps of pick() the picked worker may count itself out
  // before it has been counted in.
  if (light_load(searching_) > 0) return false;
  for (int i = 0; i * 64 < workers_; ++i) {
    if (light_load(asleep_[i]) != 0) return true;
  }
  return false;
}

int idle_set::pick() noexcept {
  for (int i = 0; i * 64 < workers_; ++i) {
    std::uint64_t w = asleep_[i].load(std::memory_order_relaxed);  // relaxed: the CAS decides
    while (w != 0) {
      const int bit = std::countr_zero(w);
      // acq_rel: takes over the sleeper's place; pairs with add() and remove() [D1]
      if (asleep_[i].compare_exchange_weak(w, w & (w - 1), std::memory_order_acq_rel,
                                           std::memory_order_relaxed)) {
        // seq_cst: a token that should_wake() of other pushers counts on [A1]
        searching_.fetch_add(1, std::memory_order_seq_cst);
        return i * 64 + bit;
      }
    }
  }
  return -1;
}

bool idle_set::begin_search() noexcept {
  std::int32_t n = searching_.load(std::memory_order_relaxed);  // relaxed: a limit, not a protocol
  if (2 * n >= workers_) return false;
  searching_.fetch_add(1, std::memory_order_seq_cst);  // seq_cst: [A1]
  return true;
}

void idle_set::join_search() noexcept {
  searching_.fetch_add(1, std::memory_order_seq_cst);  // seq_cst: [A1]
}

bool idle_set::end_search() noexcept {
  // seq_cst: stands before the leaving searcher's last look at the queues [A1]
  // At most 1, not just 1: the count is short of those who were picked and are yet to be counted in; one
  // of them may be the caller.
  return searching_.fetch_sub(1, std::memory_order_seq_cst) <= 1;
}

void idle_set::add(int worker) noexcept {
  // seq_cst: stands before the parking worker's last look at the queues [A1] [A2]
  asleep_[worker / 64].fetch_or(std::uint64_t{1} << (worker % 64), std::memory_order_seq_cst);
}

bool idle_set::remove(int worker) noexcept {
  const std::uint64_t bit = std::uint64_t{1} << (worker % 64);
  // acq_rel: pairs with pick() [D1]
  return (asleep_[worker / 64].fetch_and(~bit, std::memory_order_acq_rel) & bit) != 0;
}

std::uint32_t idle_set::hungry() const noexcept {
  // relaxed, both: a hint
  int n = searching_.load(std::memory_order_relaxed);
  for (int i = 0; i * 64 < workers_; ++i) {
    n += std::popcount(asleep_[i].load(std::memory_order_relaxed));
  }
  return static_cast<std::uint32_t>(std::max(n, 0));
}

int idle_set::sleepers() const noexcept {
  int n = 0;
  // relaxed: a figure for stats
  for (int i = 0; i * 64 < workers_; ++i) {
    n += std::popcount(asleep_[i].load(std::memory_order_relaxed));
  }
  return n;
}

}  // namespace sluice::detail
