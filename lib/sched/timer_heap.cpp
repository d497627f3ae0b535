// SPDX-License-Identifier: MIT
#include "sched/timer_heap.hpp"

#include <sluice/detail/base/assert.hpp>

#include "sched/routine.hpp"

#include <algorithm>
#include <utility>

namespace sluice::detail {

namespace {
constexpr std::uint32_t arity = 4;  // half the depth of a binary heap; the children share a line
constexpr std::uint32_t parent(std::uint32_t i) {
  return (i - 1) / arity;
}
constexpr std::uint32_t first_child(std::uint32_t i) {
  return i * arity + 1;
}

// A node is its routine's, which nothing orders with the worker (base/fibre.hpp); so is its wait.
std::uint32_t index_of(const timer_node& t) noexcept {
  const unseen_scope unseen;
  return t.index;
}
void set_index(timer_node& t, std::uint32_t i) noexcept {
  const unseen_scope unseen;
  t.index = i;
}
void set_heap(timer_node& t, timer_heap* h) noexcept {
  const unseen_scope unseen;
  t.heap = h;
}

/// A node that was taken out. Returns: it, if it is a context's.
context_deadline* as_context(timer_node& t) noexcept {
  {
    const unseen_scope unseen;
    if (t.wait != nullptr) return nullptr;
    t.index = timer_node::outside;
  }
  tsan_acquire(&t);  // pairs with cancel_node::arm()
  return &static_cast<context_deadline&>(t);
}

/// A node that was taken out. Returns: its routine, if the time has ended its wait.
routine* claim(timer_node& t) noexcept {
  const unseen_scope unseen;
  routine& r = t.wait->owner();
  t.index = timer_node::outside;
  return r.claim.claim_armed() ? &r : nullptr;
}
}  // namespace

void timer_heap::lock_with_room() {
  const worker_scope as_worker;
  lock_.lock();
  if (size_ < capacity_) return;
  lock_.unlock();
  const std::uint32_t wanted = std::max<std::uint32_t>(64, capacity_ * 2);
  auto larger = std::make_unique<slot[]>(wanted);
  lock_.lock();
  std::copy_n(slots_.get(), size_, larger.get());  // others only take out meanwhile
  slots_.swap(larger);
  capacity_ = wanted;
  if (larger == nullptr) return;
  // The old array is freed outside the lock. Only the owner grows the heap, so the room stays.
  lock_.unlock();
  larger.reset();
  lock_.lock();
}

void timer_heap::add(timer_node& t, time_point when) noexcept {
  const worker_scope as_worker;
  set_heap(t, this);
  sift_up(size_++, {when, &t});
  publish_next();
}

bool timer_heap::remove(timer_node& t) noexcept {
  const worker_scope as_worker;
  const spin_guard guard(lock_);
  const std::uint32_t i = index_of(t);
  if (i == timer_node::outside) return false;
  take_out(i);
  set_index(t, timer_node::outside);
  publish_next();
  return true;
}

due_timers timer_heap::expire(time_point now) noexcept {
  due_timers due;
  if (next() > now) return due;
  routine** link = &due.routines;
  context_deadline** context_link = &due.contexts;
  const spin_guard guard(lock_);
  while (size_ != 0 && slots_[0].when <= now) {
    timer_node& t = *slots_[0].node;
    take_out(0);
    if (context_deadline* d = as_context(t)) {
      *context_link = d;
      context_link = &d->next_due;
      continue;
    }
    // Under the lock, so that a routine which lost this wait to somebody else, and comes to take the
    // timer out, finds the claim behind it and never in its next wait.
    routine* r = claim(t);
    if (r == nullptr) continue;
    *link = r;
    link = &r->next;
    r->fibre.hand_over();  // the time alone brings nothing along of what others did
  }
  *link = nullptr;
  *context_link = nullptr;
  publish_next();
  return due;
}

context_deadline* timer_heap::clear() noexcept {
  context_deadline* first = nullptr;
  const spin_guard guard(lock_);
  for (; size_ != 0; --size_) {
    context_deadline* d = as_context(*slots_[size_ - 1].node);
    SLUICE_ASSERT(d != nullptr, "timers: a routine still sleeps");
    d->next_due = std::exchange(first, d);
  }
  publish_next();
  return first;
}

std::size_t timer_heap::size() const noexcept {
  const spin_guard guard(lock_);
  return size_;
}

void timer_heap::take_out(std::uint32_t i) noexcept {
  const slot last = slots_[--size_];
  if (i == size_) return;
  if (i != 0 && last.when < slots_[parent(i)].when) {
    sift_up(i, last);
  } else {
    sift_down(i, last);
  }
}

void timer_heap::sift_up(std::uint32_t i, slot s) noexcept {
  while (i != 0 && s.when < slots_[parent(i)].when) {
    place(i, slots_[parent(i)]);
    i = parent(i);
  }
  place(i, s);
}

void timer_heap::sift_down(std::uint32_t i, slot s) noexcept {
  for (;;) {
    const std::uint32_t first = first_child(i);
    if (first >= size_) break;
    const std::uint32_t last = std::min(first + arity, size_);
    std::uint32_t least = first;
    for (std::uint32_t c = first + 1; c < last; ++c) {
      if (slots_[c].when < slots_[least].when) least = c;
    }
    if (slots_[least].when >= s.when) break;
    place(i, slots_[least]);
    i = least;
  }
  place(i, s);
}

void timer_heap::place(std::uint32_t i, slot s) noexcept {
  slots_[i] = s;
  set_index(*s.node, i);
}

void timer_heap::publish_next() noexcept {
  const time_point t = size_ != 0 ? slots_[0].when : time_point::max();
  next_.store(t.time_since_epoch().count(), std::memory_order_relaxed);  // relaxed: see next()
}

}  // namespace sluice::detail
