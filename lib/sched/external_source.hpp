// SPDX-License-Identifier: MIT
// What may still come from outside the process, beside operations, timers and blocking calls: a signal
// that somebody waits for. While there is one, no executor takes its sleeping routines for deadlocked.
#pragma once

#include <sluice/detail/base/atomic.hpp>
#include <sluice/detail/base/immovable.hpp>

#include <cstdint>

namespace sluice::detail {

inline constinit atomic<std::uint32_t> external_sources{0};

/// Counts while it lives: whoever is woken by what comes need not be seen by the executor otherwise.
/// Threads: any. Its end is noticed once a routine has run again.
class external_source : immovable {
 public:
  // relaxed, both: where a routine counts, its worker parks after that, which is seen by who looks [A3]
  external_source() noexcept { external_sources.fetch_add(1, std::memory_order_relaxed); }
  ~external_source() { external_sources.fetch_sub(1, std::memory_order_relaxed); }
};

inline bool has_external_source() noexcept {
  return external_sources.load(std::memory_order_relaxed) != 0;  // relaxed: see above
}

/// Threads of ours that tell of what comes, each while it lives: they make routines runnable only while a
/// source counts. Counted by the thread itself, so that never more are counted than there are.
inline constinit atomic<int> external_threads{0};

/// The handler through which they hear of signals, or null.
inline constinit atomic<void (*)(int)> external_handler{nullptr};

class external_thread : immovable {
 public:
  // relaxed, both: a number too low is taken for a thread of the program's
  external_thread() noexcept { external_threads.fetch_add(1, std::memory_order_relaxed); }
  ~external_thread() { external_threads.fetch_sub(1, std::memory_order_relaxed); }
};

}  // namespace sluice::detail
