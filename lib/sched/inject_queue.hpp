// SPDX-License-Identifier: MIT
// The executor's shared queue: routines made runnable by foreign threads, and what overflows from the
// workers' run queues. First in first out, one lock, taken from in batches.
#pragma once

#include <sluice/detail/base/spin_lock.hpp>

#include "sched/routine.hpp"

#include <cstddef>

namespace sluice::detail {

/// Invariants: I1 size_ is the length of the list; I2 a routine is in at most one queue.
class inject_queue {
 public:
  /// Appends a chain of `n` routines linked by `next`. Any thread.
  void push(routine* first, routine* last, std::size_t n) noexcept {
    last->next = nullptr;
    const spin_guard guard(lock_);
    if (tail_ != nullptr) {
      tail_->next = first;
    } else {
      head_ = first;
    }
    tail_ = last;
    // seq_cst: before the pusher's look at idle workers; pairs with size() of a parking worker [A2]
    size_.store(size_.load(std::memory_order_relaxed) + n, std::memory_order_seq_cst);
  }

  /// Takes up to `max` from the front. Returns: their chain, or null.
  [[nodiscard]] routine* pop(std::size_t max) noexcept {
    if (empty()) return nullptr;
    const spin_guard guard(lock_);
    routine* first = head_;
    if (first == nullptr) return nullptr;
    routine* last = first;
    std::size_t n = 1;
    for (; n < max && last->next != nullptr; ++n)
      last = last->next;
    head_ = std::exchange(last->next, nullptr);
    if (head_ == nullptr) tail_ = nullptr;
    // relaxed: under the lock; shrinking needs no reader to see it at once
    size_.store(size_.load(std::memory_order_relaxed) - n, std::memory_order_relaxed);
    return first;
  }

  std::size_t size() const noexcept {
    return size_.load(std::memory_order_seq_cst);  // seq_cst: after the idle bit's store [A2]
  }
  bool empty() const noexcept { return size() == 0; }

 private:
  alignas(cache_line) spin_lock lock_;
  routine* head_ = nullptr;      // guarded by lock_
  routine* tail_ = nullptr;      // guarded by lock_
  atomic<std::size_t> size_{0};  // written under lock_ [A2]
};

}  // namespace sluice::detail
