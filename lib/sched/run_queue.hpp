// SPDX-License-Identifier: MIT
// A worker's run queue: a ring of 256, first in first out. The owner pushes at the tail; the owner and
// thieves take at the head, a thief half of what is there.
//
// FIFO and not the LIFO of a fork-join deque: routines are served in turn, so that a ready one waits
// for at most those ahead of it. (Go and Tokio decided likewise; fork-join has when_all.)
//
// Invariants:
//   I1  head and tail only grow (mod 2^32); tail - head is in [0, 256]
//   I2  slots in [head, tail) hold routines that are in no other queue
//   I3  head is moved by CAS of whoever takes [head, new head); tail by the owner alone
#pragma once

#include <sluice/detail/base/atomic.hpp>

#include "base/asymmetric.hpp"

#include <cstdint>

namespace sluice::detail {

template <class T, std::uint32_t Capacity = 256>
class run_queue {
  static_assert((Capacity & (Capacity - 1)) == 0, "capacity is a power of two");

 public:
  static constexpr std::uint32_t capacity = Capacity;

  run_queue() noexcept = default;
  run_queue(const run_queue&) = delete;
  run_queue& operator=(const run_queue&) = delete;

  /// Owner. Returns: false if the ring is full.
  [[nodiscard]] bool push(T* item) noexcept {
    // acquire: pairs with the release of the CAS in pop() and steal(): their reads of the slot that
    // is reused here came before [Q2]
    const std::uint32_t h = head_.load(std::memory_order_acquire);
    const std::uint32_t t =
        tail_.load(std::memory_order_relaxed);  // relaxed: only the owner writes it
    if (t - h >= Capacity) return false;
    slots_[t % Capacity].store(item, std::memory_order_relaxed);  // relaxed: published by tail
    // At least release: pairs with the acquire of tail in steal() [Q1]; ordered before the caller's
    // look at idle workers [A1]
    light_store(tail_, t + 1);
    return true;
  }

  /// Owner. Returns: the oldest, or null.
  [[nodiscard]] T* pop() noexcept {
    std::uint32_t h = head_.load(std::memory_order_relaxed);  // relaxed: the CAS decides
    const std::uint32_t t =
        tail_.load(std::memory_order_relaxed);  // relaxed: only the owner writes it
    while (h != t) {
      T* item = slots_[h % Capacity].load(std::memory_order_relaxed);  // relaxed: our own store
      // release: the slot was read before it can be reused, pairs with push() [Q2]
      if (head_.compare_exchange_weak(h, h + 1, std::memory_order_release,
                                      std::memory_order_relaxed)) {
        return item;
      }
    }
    return nullptr;
  }

  /// Owner of a full ring. Takes the older half for the injection queue.
  /// Returns: how many were written to `out`; 0 if thieves made room meanwhile.
  [[nodiscard]] std::uint32_t pop_half(T* (&out)[Capacity / 2]) noexcept {
    std::uint32_t h = head_.load(std::memory_order_relaxed);
    const std::uint32_t t =
        tail_.load(std::memory_order_relaxed);  // relaxed: only the owner writes it
    if (t - h < Capacity) return 0;
    for (std::uint32_t i = 0; i < Capacity / 2; ++i) {
      out[i] =
          slots_[(h + i) % Capacity].load(std::memory_order_relaxed);  // relaxed: our own stores
    }
    // release: as in pop() [Q2]
    return head_.compare_exchange_strong(h, h + Capacity / 2, std::memory_order_release,
                                         std::memory_order_relaxed)
               ? Capacity / 2
               : 0;
  }

  /// Thief, owner of `mine`, which is empty: moves the older half of this queue there, but for one.
  /// Returns: that one, the oldest, or null if there is nothing to take. `taken`: how many.
  [[nodiscard]] T* steal(run_queue& mine, std::uint32_t& taken) noexcept {
    const std::uint32_t to = mine.tail_.load(std::memory_order_relaxed);  // relaxed: our own
    // acquire: as push() of `mine`: the slots written below were read by all who took them [Q2]
    const std::uint32_t room = Capacity - (to - mine.head_.load(std::memory_order_acquire));
    std::uint32_t h = head_.load(std::memory_order_acquire);  // acquire: tail is read after it
    for (;;) {
      // acquire: pairs with the release of tail in push(): slots and routines are seen [Q1]
      const std::uint32_t t = tail_.load(std::memory_order_acquire);
      std::uint32_t n = t - h;
      if (n == 0 || n > Capacity) return nullptr;  // the latter: head moved past this old h
      n -= n / 2;
      if (n > room + 1) n = room + 1;
      T* first = slots_[h % Capacity].load(std::memory_order_relaxed);  // relaxed: by [Q1]
      for (std::uint32_t i = 1; i < n; ++i) {
        mine.slots_[(to + i - 1) % Capacity].store(
            slots_[(h + i) % Capacity].load(std::memory_order_relaxed),
            std::memory_order_relaxed);  // relaxed: published by tail, if the CAS succeeds
      }
      // acq_rel: release as in pop() [Q2]; acquire so that the next round reads a fresh tail
      if (head_.compare_exchange_weak(h, h + n, std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
        if (n > 1) light_store(mine.tail_, to + n - 1);  // [Q1] [A1]
        taken = n;
        return first;
      }
    }
  }

  /// Any thread; exact for the owner. seq_cst: the parking worker's look, after its store of the
  /// idle bit [A1].
  std::uint32_t size() const noexcept {
    const std::uint32_t t = tail_.load(std::memory_order_seq_cst);
    const std::uint32_t n = t - head_.load(std::memory_order_seq_cst);
    return n > Capacity ? Capacity : n;
  }
  bool empty() const noexcept { return size() == 0; }

 private:
  alignas(cache_line) atomic<std::uint32_t> head_{0};
  alignas(cache_line) atomic<std::uint32_t> tail_{0};
  atomic<T*> slots_[Capacity] = {};
};

}  // namespace sluice::detail
