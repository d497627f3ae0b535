// SPDX-License-Identifier: MIT
// A store-load barrier whose cost is paid by the rare side.
//
// Protocols of the form "I store A then load B; you store B then load A; one of us must see the
// other" need a full barrier on both sides. Where one side runs a million times as often as the
// other, the often side only keeps the compiler from reordering (light), and the rare side makes
// every running thread of the process pass a full barrier (heavy: membarrier(2), 1-5 us, Linux
// 4.14). Measured: parks and pushes cost 5 ns less each (docs/design/memory_orders.md).
//
// Where membarrier is forbidden, and under ThreadSanitizer, which cannot see it,
// `asymmetric_available()` is false and both sides use seq_cst operations instead. The model checker
// (tests/model) explores both ways.
#pragma once

#include <sluice/config.hpp>
#include <sluice/detail/base/atomic.hpp>

#include <atomic>

namespace sluice::detail {

extern bool asymmetric_registered;  // written once, before the first worker starts

/// Registers the process for membarrier. Called before workers start; idempotent.
void asymmetric_init() noexcept;

inline bool asymmetric_available() noexcept {
#if defined(SLUICE_TSAN)
  return false;
#else
  return asymmetric_registered;
#endif
}

/// The often side: stores `desired` so that a later load (made with the order that `light_load`
/// uses) is not made before it.
template <class T>
inline void light_store(atomic<T>& word, T desired) noexcept {
  if (asymmetric_available()) {
    // release: what stood before is seen with it; the store-load order is bought by heavy() [A1]
    word.store(desired, std::memory_order_release);
    std::atomic_signal_fence(std::memory_order_seq_cst);  // keeps the compiler from reordering
  } else {
    word.store(desired, std::memory_order_seq_cst);  // seq_cst: pairs with the rare side's [A1]
  }
}

/// The often side's load after light_store().
template <class T>
inline T light_load(const atomic<T>& word) noexcept {
  // seq_cst costs a plain load on x86-64 and arm64's ldar; pairs with the rare side's store [A1]
  return word.load(std::memory_order_seq_cst);
}

/// The rare side, between its store (seq_cst) and its load (seq_cst).
void heavy_barrier() noexcept;

}  // namespace sluice::detail
