// SPDX-License-Identifier: MIT
// Where transfers at a file's own position take turns.
//
// The kernel guards the position of an open file with a lock that only calls like write(2) take: two
// operations of rings begin at the same place, and one overwrites what the other wrote. So what
// cannot be done on the spot at a position of its own is done by a thread of the blocking pool,
// with the plain call. That thread may wait for a disk and holds the position meanwhile: those that
// come after it wait here, not in the lock, where each would keep a thread from its work.
#pragma once

#include <sluice/detail/base/atomic.hpp>
#include <sluice/detail/base/spin_lock.hpp>
#include <sluice/detail/fs/file_op.hpp>

#include "sched/pool_job_list.hpp"

#include <coroutine>

namespace sluice::detail {

/// The turns of one descriptor, and of those 4096, 8192, … above it: those wait for a disk that is not
/// theirs, so few processes have them. Two descriptors of one open file are in two lanes, and meet in
/// the kernel's lock.
///
/// Invariants, guarded by lock_:
///   I1  busy_ as long as one transfer has its turn; waiting_ is empty unless busy_
///   I2  who waits here is pinned, and is taken out by whoever gives it its turn or stops it
///   I3  who has its turn is a job of its executor's pool, or is being executed
class alignas(64) position_lane {
 public:
  static position_lane& of(int fd) noexcept;

  /// Whether a transfer would have to wait for its turn, at the moment: one that tried all the same
  /// would block in the kernel's lock.
  bool is_busy() const noexcept {
    return busy_.load(std::memory_order_relaxed);  // relaxed: a hint
  }

  /// Suspends the routine until its transfer is done; a stop request that comes before its turn has
  /// begun unwinds it, one that comes later is too late. To be called from `await_suspend`, last.
  void transfer(transfer_op& op, std::coroutine_handle<> frame) noexcept;

 private:
  static void run(pool_job& job) noexcept;
  static void request_stop(wait_point& self) noexcept;
  static const wait_kind read_kind, write_kind;

  transfer_op* pass_on() noexcept;

  spin_lock lock_;
  atomic<bool> busy_{false};  // written under lock_
  pool_job_list waiting_;     // guarded by lock_
};

}  // namespace sluice::detail
