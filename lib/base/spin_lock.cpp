// SPDX-License-Identifier: MIT
// The contended half of spin_lock.
#include <sluice/detail/base/spin_lock.hpp>

#include <sched.h>

namespace sluice::detail {

namespace {
// About 4 us with pause at 40 ns: longer than any section under a spin lock, so a holder that has
// not left by then was most likely preempted.
constexpr int rounds_before_yield = 100;
}  // namespace

void spin_lock::lock_slow() noexcept {
  for (;;) {
    for (int round = 0; round < rounds_before_yield; ++round) {
      // Reads until it looks free: waiters share the line instead of tearing it from the holder.
      // relaxed: try_lock() acquires
      if (!held_.load(std::memory_order_relaxed) && try_lock()) return;
      cpu_relax();
    }
    ::sched_yield();
  }
}

}  // namespace sluice::detail
