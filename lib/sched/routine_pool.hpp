// SPDX-License-Identifier: MIT
// Where routine records come from: slabs that are never given back, one pool for the process.
//
// A record's memory stays a record (type-stable): handles, late wakes and dumps may look at one that
// has ended. Each thread of a worker keeps a few free records at hand.
#pragma once

#include <sluice/detail/base/spin_lock.hpp>

#include "base/fibre.hpp"
#include "sched/routine.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>

namespace sluice::detail {

class routine_pool {
 public:
  static routine_pool& instance() noexcept;

  /// Takes a chain of up to `max` free records (at least one), linked by `next`. Any thread.
  routine* take(std::size_t max);

  /// Gives a chain of free records back. Any thread.
  void give(routine* first, routine* last) noexcept;

  /// A block of `n` numbers for routines, unique in the process. Returns: the first.
  std::uint64_t take_ids(std::uint64_t n) noexcept {
    return next_id_.fetch_add(n, std::memory_order_relaxed);  // relaxed: only uniqueness matters
  }

  /// Calls f(routine&) for every record, free ones too. Any thread; records made meanwhile may be
  /// missed.
  template <class F>
  void for_each(F&& f) const {
    // acquire: pairs with the release in grow(): the slab is made before it is seen [P2]
    for (slab* s = slabs_.load(std::memory_order_acquire); s != nullptr; s = s->next) {
      for (routine& r : s->records)
        f(r);
    }
  }

  std::size_t bytes() const noexcept {
    return bytes_.load(std::memory_order_relaxed);  // relaxed: a figure for stats
  }

 private:
  static constexpr std::size_t records_per_slab = 512;  // 64 KiB and a little

  struct slab {
    slab* next = nullptr;
    routine records[records_per_slab];
  };

  void grow();  // holds lock_

  spin_lock lock_;
  routine* free_ = nullptr;       // guarded by lock_
  atomic<slab*> slabs_{nullptr};  // prepended under lock_ [P2]
  atomic<std::size_t> bytes_{0};
  atomic<std::uint64_t> next_id_{1};
};

/// A worker's own store of free records and numbers: no lock, no atomics.
class routine_cache {
 public:
  routine_cache() noexcept = default;
  routine_cache(const routine_cache&) = delete;
  routine_cache& operator=(const routine_cache&) = delete;
  ~routine_cache();

  routine* take() {
    const worker_scope as_worker;
    if (free_ == nullptr) [[unlikely]] {
      refill();
    }
    --count_;
    routine* r = std::exchange(free_, free_->next);
    tsan_forget({r, sizeof *r});  // who had it before is not ordered with who has it now
    return r;
  }
  routine* try_take() noexcept;  // null: out of memory
  void give(routine* r) noexcept;
  std::uint64_t next_id() noexcept {
    const worker_scope as_worker;
    if (id_ == id_end_) [[unlikely]] {
      id_ = routine_pool::instance().take_ids(ids);
      id_end_ = id_ + ids;
    }
    return id_++;
  }

 private:
  static constexpr std::size_t batch = 64;
  static constexpr std::size_t most = 256;
  static constexpr std::uint64_t ids = 1024;

  void refill();

  routine* free_ = nullptr;
  std::size_t count_ = 0;
  std::uint64_t id_ = 0;
  std::uint64_t id_end_ = 0;
};

}  // namespace sluice::detail
