// SPDX-License-Identifier: MIT
// A worker's timers: an intrusive 4-ary heap under its own short lock.
//
// The worker adds its routines' deadlines and pops what is due. A routine that was resumed or stopped
// elsewhere takes its deadline out itself, through the lock: nobody else touches its frame then.
// (A wheel was measured 3-8 times faster at 10^6 timers and needs a tick; see facts in
// docs/decisions. A heap is exact, and below one system call's cost up to 10^5 timers.)
#pragma once

#include <sluice/detail/base/atomic.hpp>
#include <sluice/detail/base/spin_lock.hpp>
#include <sluice/detail/sched/timer_node.hpp>

#include "base/fibre.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace sluice::detail {

struct routine;

/// A deadline of a context.
struct context_deadline : timer_node {
  context_deadline() noexcept = default;
  context_deadline* next_due = nullptr;
};

/// What is due: routines whose waits were claimed, earliest first, linked by `next`, and contexts.
struct due_timers {
  routine* routines = nullptr;
  context_deadline* contexts = nullptr;
};

/// Invariants, guarded by lock_:
///   I1  slots_[i].node->index == i; the parent's deadline is not later than a child's
///   I2  next_ is the earliest deadline, or time_point::max()
class timer_heap {
 public:
  timer_heap() noexcept = default;
  timer_heap(const timer_heap&) = delete;
  timer_heap& operator=(const timer_heap&) = delete;

  /// The owner. Locks, with room for one more timer: nothing is allocated under the lock.
  void lock_with_room();

  /// The owner, between lock_with_room() and unlock(). The wait is armed in between too, so that
  /// whoever claims it finds the timer in its place.
  void add(timer_node& t, time_point when) noexcept;
  void unlock() noexcept {
    const worker_scope as_worker;
    lock_.unlock();
  }

  /// Any thread. Takes a timer out. Returns: false if it has been popped.
  bool remove(timer_node& t) noexcept;

  /// Pops what is due and claims its waits.
  [[nodiscard]] due_timers expire(time_point now) noexcept;

  /// Pops all; only contexts can be left, when no routine is.
  [[nodiscard]] context_deadline* clear() noexcept;

  /// The earliest deadline, or time_point::max(). Exact for the owner.
  time_point next() const noexcept {
    // relaxed: only a hint to others; the owner wrote it, or sees an early deadline at worst
    return time_point(duration(next_.load(std::memory_order_relaxed)));
  }

  std::size_t size() const noexcept;

  /// Any thread: whether one will ever be due. What was done before timers were taken out is seen.
  bool has_deadlines() const noexcept {
    const spin_guard guard(lock_);
    return next() != time_point::max();
  }

 private:
  struct slot {
    time_point when;
    timer_node* node;
  };
  void sift_up(std::uint32_t i, slot s) noexcept;
  void sift_down(std::uint32_t i, slot s) noexcept;
  void take_out(std::uint32_t i) noexcept;
  void place(std::uint32_t i, slot s) noexcept;
  void publish_next() noexcept;

  mutable spin_lock lock_;
  std::uint32_t size_ = 0;                               // guarded by lock_
  std::uint32_t capacity_ = 0;                           // written by the owner, under lock_
  std::unique_ptr<slot[]> slots_;                        // guarded by lock_; replaced by the owner
  atomic<duration::rep> next_{duration::max().count()};  // written under lock_
};

}  // namespace sluice::detail
