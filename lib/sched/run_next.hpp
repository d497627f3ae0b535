// SPDX-License-Identifier: MIT
// The slot for the routine that a worker runs next. The worker's own, without a locked instruction; a
// rescuer can take from it when the worker is stuck in a routine's code.
//
//   slot word                      by       when
//   empty -> r, r -> s, r -> empty owner    exchange()
//   r, untaken -> r, taken         rescuer  steal(): r is the rescuer's, the word keeps it
//   r, taken -> anything           owner    exchange() finds it taken, and does not get it
//   r, taken -> empty              owner    exchange() had put r in and finds it taken at once
// The rescuer raises `wanted_`, passes a heavy barrier, then reads the slot; the owner stores the slot,
// then looks at `wanted_`: one of the two sees the other, and then the lock decides [A1].
#pragma once

#include <sluice/detail/base/atomic.hpp>
#include <sluice/detail/base/spin_lock.hpp>

#include "base/asymmetric.hpp"

namespace sluice::detail {

template <class T>
class run_next_slot {
 public:
  /// Owner. Puts `item` (or nothing) in. Returns: what was there, unless a rescuer has it.
  T* exchange(T* item) noexcept {
    T* before = item_.load(std::memory_order_relaxed);  // relaxed: only the owner writes it
    light_store(item_, item);  // release: the routine is seen by steal() [A1]
    if (!light_load(wanted_)) [[likely]] {
      return before;
    }
    const spin_guard guard(lock_);
    wanted_.store(false, std::memory_order_relaxed);  // relaxed: under the lock
    T* taken = taken_;
    taken_ = nullptr;
    if (taken == nullptr) return before;
    if (taken == before) return nullptr;
    // The rescuer came between the store above and the lock: it has the new one.
    item_.store(nullptr, std::memory_order_relaxed);  // relaxed: a rescuer looks under the lock
    return before;
  }

  /// Owner: a hint.
  bool empty() const noexcept {
    return item_.load(std::memory_order_relaxed) == nullptr;  // relaxed: our own
  }

  /// A rescuer. Returns: the item, which is the caller's now, or null.
  T* steal() noexcept {
    const spin_guard guard(lock_);
    if (taken_ != nullptr) return nullptr;  // the owner has not been here since the last time
    wanted_.store(true, std::memory_order_seq_cst);  // seq_cst: before the look at the slot [A1]
    heavy_barrier();
    T* item = item_.load(std::memory_order_seq_cst);  // seq_cst: pairs with exchange() [A1]
    if (item == nullptr) {
      wanted_.store(false, std::memory_order_relaxed);  // relaxed: under the lock
      return nullptr;
    }
    taken_ = item;
    return item;
  }

 private:
  atomic<T*> item_{nullptr};    // written by the owner
  atomic<bool> wanted_{false};  // raised under lock_ by a rescuer, lowered under lock_
  spin_lock lock_;
  T* taken_ = nullptr;  // guarded by lock_: what a rescuer has, while item_ still says so
};

}  // namespace sluice::detail
