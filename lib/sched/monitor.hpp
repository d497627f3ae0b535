// SPDX-License-Identifier: MIT
// The monitor: sees workers that are stuck in a routine's code, and frees what they hold.
//
// A routine that computes for long, or blocks its thread, keeps its worker from polling. Its run queue
// can be stolen from as ever; the monitor takes what cannot: the run-next slot and due timers. (What
// the reactor of such a worker has completed waits for it; so do stop requests to its operations.)
// It sleeps while all workers do: an idle program is not woken, but to look for a deadlock.
#pragma once

#include <sluice/clock.hpp>
#include <sluice/detail/base/atomic.hpp>

#include <cstdint>
#include <thread>
#include <vector>

namespace sluice::detail {

class executor_core;
class worker;

class monitor {
 public:
  /// A worker that runs one routine for longer than one to two of these is stuck.
  static constexpr duration period = std::chrono::milliseconds(5);

  explicit monitor(executor_core& ex) noexcept : ex_(ex) {}
  monitor(const monitor&) = delete;
  monitor& operator=(const monitor&) = delete;

  /// Nothing with one worker: there would be nobody to give to. Throws std::system_error.
  void start();
  void stop() noexcept;

  /// A worker has woken up: so does the monitor. One load unless it sleeps.
  void rouse() noexcept {
    // seq_cst: after the worker's store of its state; pairs with sleep() [M1]
    if (asleep_.load(std::memory_order_seq_cst) != 0) rouse_slow();
  }

  /// Times a worker was found stuck.
  std::uint64_t stalls() const noexcept {
    return stalls_.load(std::memory_order_relaxed);  // relaxed: a figure
  }

 private:
  struct look {
    std::uint64_t ticks = 0;
    bool reported = false;
  };

  void serve() noexcept;
  bool look_round(std::vector<look>& last) noexcept;
  void rescue(worker& w) noexcept;
  void sleep() noexcept;
  void rouse_slow() noexcept;
  bool leaving() const noexcept {
    return leave_.load(std::memory_order_acquire) != 0;  // acquire: pairs with stop() [M2]
  }

  executor_core& ex_;
  std::thread thread_;
  atomic<std::uint32_t> asleep_{0};  // futex [M1]
  atomic<std::uint32_t> leave_{0};   // futex [M2]
  atomic<std::uint64_t> stalls_{0};  // written by the monitor
};

}  // namespace sluice::detail
