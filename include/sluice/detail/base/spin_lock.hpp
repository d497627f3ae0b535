// SPDX-License-Identifier: MIT
// A lock of one byte for sections of a few dozen instructions: no user code, no wake, no allocation
// and no system call while it is held. It is neither fair nor recursive.
//
// A waiter spins about 100 rounds, then gives its CPU away between tries: a holder that was
// preempted is waited for without burning the time slice it needs.
#pragma once

#include <sluice/config.hpp>
#include <sluice/detail/base/atomic.hpp>
#include <sluice/detail/base/immovable.hpp>

namespace sluice::detail {

class spin_lock {
 public:
  spin_lock() noexcept = default;
  spin_lock(const spin_lock&) = delete;
  spin_lock& operator=(const spin_lock&) = delete;

  void lock() noexcept {
    if (!try_lock()) [[unlikely]] {
      lock_slow();
    }
  }

  [[nodiscard]] bool try_lock() noexcept {
    // acquire: pairs with the release in unlock() [S1]
    return !held_.exchange(true, std::memory_order_acquire);
  }

  void unlock() noexcept {
    // release: pairs with the acquire in try_lock() [S1]; a plain store, no read-modify-write
    held_.store(false, std::memory_order_release);
  }

  /// Whether somebody holds it: for asserts.
  bool is_locked() const noexcept {
    // relaxed: an assert of the holder reads its own store
    return held_.load(std::memory_order_relaxed);
  }

 private:
  SLUICE_EXPORT void lock_slow() noexcept;

  atomic<bool> held_{false};  // atomic [S1]
};

#if !defined(SLUICE_MODEL)
static_assert(sizeof(spin_lock) == 1, "a lock fits beside other small fields");
#endif

/// Holds a spin_lock for a scope.
class [[nodiscard]] spin_guard : immovable {
 public:
  explicit spin_guard(spin_lock& lock) noexcept : lock_(lock) { lock_.lock(); }
  ~spin_guard() { lock_.unlock(); }

 private:
  spin_lock& lock_;
};

}  // namespace sluice::detail
