// SPDX-License-Identifier: MIT
// The atomics that all of sluice uses: std::atomic, or the model checker's own.
//
// In a model build (tests/model) SLUICE_MODEL is defined, and SLUICE_MODEL_ATOMIC_HEADER names a
// header that defines `sluice::detail::atomic<T>` and `cpu_relax()` with simulated memory.
// Every operation spells its order, and no fence stands alone: TSan and the checker see neither
// defaults' intent nor fences.
#pragma once

#include <atomic>
#include <cstddef>

#if defined(SLUICE_MODEL)
#  include SLUICE_MODEL_ATOMIC_HEADER
#else

namespace sluice::detail {

template <class T>
using atomic = std::atomic<T>;

/// Tells the CPU that it is in a spin loop: yields the core to its sibling, saves power.
inline void cpu_relax() noexcept {
#  if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#  elif defined(__aarch64__) || defined(__arm__)
  asm volatile("yield" ::: "memory");
#  else
  asm volatile("" ::: "memory");
#  endif
}

}  // namespace sluice::detail

#endif

namespace sluice::detail {

/// Bytes. What is written by different threads stands this far apart. A constant and not
/// std::hardware_destructive_interference_size, which changes layout with compiler flags.
inline constexpr std::size_t cache_line = 64;

}  // namespace sluice::detail
