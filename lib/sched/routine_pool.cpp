// SPDX-License-Identifier: MIT
#include "sched/routine_pool.hpp"

#include <memory>
#include <new>
#include <utility>

namespace sluice::detail {

routine_pool& routine_pool::instance() noexcept {
  // Never destroyed: handles may be dropped by static destructors and by threads that outlive main.
  static routine_pool* const pool = new routine_pool;
  return *pool;
}

routine* routine_pool::take(std::size_t max) {
  for (;;) {
    {
      const spin_guard guard(lock_);
      if (free_ != nullptr) {
        routine* first = free_;
        routine* last = first;
        for (std::size_t n = 1; n < max && last->next != nullptr; ++n)
          last = last->next;
        free_ = std::exchange(last->next, nullptr);
        return first;
      }
    }
    grow();
  }
}

void routine_pool::give(routine* first, routine* last) noexcept {
  const spin_guard guard(lock_);
  last->next = free_;
  free_ = first;
}

void routine_pool::grow() {
  auto fresh = std::make_unique<slab>();
  for (std::size_t i = 0; i + 1 < records_per_slab; ++i) {
    fresh->records[i].next = &fresh->records[i + 1];
  }
  const spin_guard guard(lock_);
  slab* s = fresh.release();
  s->next = slabs_.load(std::memory_order_relaxed);  // relaxed: only written under the lock
  slabs_.store(s, std::memory_order_release);        // release: pairs with for_each() [P2]
  s->records[records_per_slab - 1].next = free_;
  free_ = &s->records[0];
  // relaxed: a figure for stats
  bytes_.store(bytes_.load(std::memory_order_relaxed) + sizeof(slab), std::memory_order_relaxed);
}

routine_cache::~routine_cache() {
  if (free_ == nullptr) return;
  routine* last = free_;
  while (last->next != nullptr)
    last = last->next;
  routine_pool::instance().give(free_, last);
}

void routine_cache::refill() {
  free_ = routine_pool::instance().take(batch);
  count_ = 0;
  for (routine* r = free_; r != nullptr; r = r->next)
    ++count_;
}

routine* routine_cache::try_take() noexcept {
  try {
    return take();
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void routine_cache::give(routine* r) noexcept {
  const worker_scope as_worker;
  r->next = free_;
  free_ = r;
  if (++count_ <= most) return;
  // Half goes back: records that end here may have been started elsewhere.
  routine* last = free_;
  for (std::size_t n = 1; n < most / 2; ++n)
    last = last->next;
  routine* first = std::exchange(free_, last->next);
  count_ -= most / 2;
  routine_pool::instance().give(first, last);
}

}  // namespace sluice::detail
