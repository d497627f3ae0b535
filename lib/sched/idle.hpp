// SPDX-License-Identifier: MIT
// Who sleeps and who searches: the executor's half of the parking protocol.
//
// The argument why no wake-up is lost stands in HACKING.md, "Parking". In short: a pusher makes its
// routine visible, then looks here; a parking worker makes itself visible here, then looks at the
// queues; one of the two sees the other.
#pragma once

#include <sluice/detail/base/atomic.hpp>

#include <cstdint>

namespace sluice::detail {

/// Invariants:
///   I1  searching_ counts the workers that look for work, and the wake-ups under way to parked
///       ones, which wake as searchers
///   I2  a worker's bit is set by itself before it parks, and cleared by whoever wakes it (who adds
///       one to searching_ on its behalf) or by itself when it wakes for a reason of its own
class idle_set {
 public:
  static constexpr int max_workers = 512;

  /// Before workers start. `n` in [1, max_workers].
  void resize(int n) noexcept { workers_ = n; }

  /// After a push: whether somebody should be woken. Not if anyone searches: it will find the work.
  bool should_wake() const noexcept;

  /// Picks a sleeper, takes it out of the set and counts it as a searcher. Returns: its index, or -1.
  [[nodiscard]] int pick() noexcept;

  /// A worker that ran out of work may look at others' queues if less than half the workers do.
  [[nodiscard]] bool begin_search() noexcept;

  /// A worker that has seen work in another's queue may look for it however many others do.
  void join_search() noexcept;

  /// A searcher found work or gives up. Returns: whether it was the last: having found work, it must
  /// wake one more, for what it left behind was pushed while it searched.
  [[nodiscard]] bool end_search() noexcept;

  /// A worker is about to park: from here on it can be picked.
  void add(int worker) noexcept;

  /// It will not park, or has woken. Returns: false if it was picked: it is a searcher now.
  [[nodiscard]] bool remove(int worker) noexcept;

  /// How many would take work: those that sleep or search; a hint.
  std::uint32_t hungry() const noexcept;

  /// How many sleep; a snapshot.
  int sleepers() const noexcept;

 private:
  static constexpr int words = max_workers / 64;

  alignas(cache_line) atomic<std::int32_t> searching_{0};
  atomic<std::uint64_t> asleep_[words] = {};
  int workers_ = 1;  // immutable once workers run
};

}  // namespace sluice::detail
