// SPDX-License-Identifier: MIT
// Sees that all routines of an executor wait, and that nothing is under way that could end a wait.
//
// It costs what runs nothing, and an idle program two wake-ups at most: it looks a moment after the last
// worker has parked, and once more later on. Why it is not fooled stands in HACKING.md, "Deadlock".
#pragma once

#include <sluice/clock.hpp>
#include <sluice/detail/base/atomic.hpp>

#include <cstdint>
#include <vector>

namespace sluice::detail {

class executor_core;
class worker;

/// What a look has found.
enum class deadlock : unsigned char {
  none,
  likely,   // other threads of the process, or other executors, could still end a wait
  certain,  // nothing can
};

/// One caller: the monitor; where there is none, the only worker.
class deadlock_watch {
 public:
  /// From the last park to the first look, which sees only what is certain.
  static constexpr duration first_after = std::chrono::milliseconds(50);

  explicit deadlock_watch(executor_core& ex) noexcept : ex_(ex) {}
  deadlock_watch(const deadlock_watch&) = delete;
  deadlock_watch& operator=(const deadlock_watch&) = delete;

  /// The caller goes to sleep. Returns: when it is to call look(); time_point::max(): it need not.
  time_point next_look(time_point now) noexcept;

  /// `self`: the caller's worker, which is not parked; null: the monitor.
  void look(const worker* self, time_point now) noexcept;

  /// The thread that called run() is about to do nothing but wait for this routine. Any thread.
  void set_main(std::uint64_t id) noexcept {
    main_.store(id, std::memory_order_release);  // release: what it did before is seen [Y2]
  }

 private:
  bool is_on() const noexcept;
  bool may_be_stuck() const noexcept;
  deadlock examine(const worker* self);
  deadlock walk(std::uint64_t main_id);
  bool are_parked(const worker* self, bool again) noexcept;
  int own_threads() const;
  bool is_alone() const;
  std::uint64_t resumed() const noexcept;

  executor_core& ex_;
  atomic<std::uint64_t> main_{0};  // the main routine of run(), 0: none [Y2]
  // All below: the caller's.
  std::vector<std::uint32_t> marks_;           // each worker's, as it stood at first
  std::uint64_t resumed_ = ~std::uint64_t{0};  // by all workers when the episode began
  int looks_ = 0;                              // in this episode
  time_point due_{};
  // Each warning doubles it: where other threads wake routines now and then, they are few.
  duration patience_{};
};

}  // namespace sluice::detail
