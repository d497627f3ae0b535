// SPDX-License-Identifier: MIT
// Operations on their way to the worker whose reactor holds them: with a stop request, or completed by
// another thread. Many producers, one consumer that takes all at once.
#pragma once

#include <sluice/detail/base/atomic.hpp>
#include <sluice/detail/sched/operation.hpp>

namespace sluice::detail {

/// `Link`: the member of operation that links this box's list. (No type for it: under the model
/// checker the links are watched fields.)
template <auto Link>
class inbox {
 public:
  /// Any thread. The operation is pinned: it stays until the consumer has seen it.
  void push(operation& op) noexcept {
    operation* top = top_.load(std::memory_order_relaxed);  // relaxed: the CAS decides
    do {
      op.*Link = top;
      // seq_cst: releases the link to take() [I1], and stands before the sender's look at the
      // worker's state, which the worker sets before its own look here [A3]
    } while (!top_.compare_exchange_weak(top, &op, std::memory_order_seq_cst,
                                         std::memory_order_relaxed));
  }

  /// The consumer. Returns: all that has come, linked by Link, newest first.
  [[nodiscard]] operation* take() noexcept {
    if (empty()) return nullptr;
    return top_.exchange(nullptr, std::memory_order_acquire);  // acquire: pairs with push() [I1]
  }

  bool empty() const noexcept {
    return top_.load(std::memory_order_seq_cst) == nullptr;  // seq_cst: [A3]
  }

 private:
  alignas(cache_line) atomic<operation*> top_{nullptr};
};

}  // namespace sluice::detail
