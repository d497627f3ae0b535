// SPDX-License-Identifier: MIT
// Channels, below their element type.
//
// Invariants, guarded by lock_:
//   I1  a waiting sender implies a full buffer (or capacity 0) and no waiting receiver that can be
//       claimed; a waiting receiver implies an empty buffer
//   I2  waiters are served first in, first out; a value passes from a sender to a waiting receiver
//       directly, so that it cannot be overtaken
//   I3  closed_ and recv_closed_ never go back; once either is set nobody waits
//   I4  a waiter is in its queue until it is claimed, by a partner or close, or abandoned
// Both parties of a hand-over meet under the lock: the one that comes second claims the first one's
// wait (claim_word), moves the value, and schedules it after the lock is released.
#include <sluice/detail/base/assert.hpp>
#include <sluice/detail/sync/chan_core.hpp>

#include "sched/wait.hpp"

#include <cstring>
#include <new>
#include <utility>

namespace sluice::detail {

constinit const wait_kind chan_wait::send_kind{wait_reason::chan_send, abandon, nullptr, object};
constinit const wait_kind chan_wait::recv_kind{wait_reason::chan_recv, abandon, nullptr, object};
constinit const wait_kind chan_wait::nil_kind{wait_reason::chan_nil, nullptr, nullptr, nullptr};

// ---- the waiting side

bool chan_wait::send(std::coroutine_handle<> frame) {
  routine& r = owner();
  if (r.must_stop()) return refuse(*this, frame), true;
  if (core_ == nullptr) return wait_for_ever(frame);
  chan_core& c = *core_;
  chan_wait* woken = nullptr;
  switch (c.lock_and_send(slot, woken)) {
    case try_outcome::done:
      outcome = chan_outcome::done;
      break;
    case try_outcome::closed:
      outcome = chan_outcome::closed;
      break;
    case try_outcome::refused:
      outcome = chan_outcome::refused;
      break;
    case try_outcome::would_block:
      begin_wait(*this, frame);
      c.senders_.push(*this);
      if (!r.claim.arm(claim_word::armed, r)) {
        c.senders_.remove(*this);
        refuse(*this, frame);
      }
      c.lock_.unlock();  // published: *this may be gone
      return true;
  }
  c.lock_.unlock();
  if (woken != nullptr) make_runnable(woken->owner());
  return done_at_once(*this, frame);
}

bool chan_wait::recv(std::coroutine_handle<> frame) noexcept {
  routine& r = owner();
  if (r.must_stop()) return refuse(*this, frame), true;
  if (core_ == nullptr) return wait_for_ever(frame);
  chan_core& c = *core_;
  chan_wait* woken = nullptr;
  c.lock_.lock();
  switch (c.recv_closed_ ? try_outcome::closed : c.recv_locked(slot, woken)) {
    case try_outcome::done:
      outcome = chan_outcome::done;
      break;
    case try_outcome::closed:
    case try_outcome::refused:
      outcome = chan_outcome::closed;
      break;
    case try_outcome::would_block:
      begin_wait(*this, frame);
      c.receivers_.push(*this);
      if (!r.claim.arm(claim_word::armed, r)) {
        c.receivers_.remove(*this);
        refuse(*this, frame);
      }
      c.lock_.unlock();  // published: *this may be gone
      return true;
  }
  c.lock_.unlock();
  if (woken != nullptr) make_runnable(woken->owner());
  return done_at_once(*this, frame);
}

bool chan_wait::wait_for_ever(std::coroutine_handle<> frame) noexcept {
  routine& r = owner();
  kind = &nil_kind;
  begin_wait(*this, frame);
  if (!r.claim.arm(claim_word::armed, r)) refuse(*this, frame);
  return true;
}

void chan_wait::abandon(wait_point& self) noexcept {
  auto& w = static_cast<chan_wait&>(self);
  chan_core& c = *w.core_;
  const spin_guard guard(c.lock_);
  if (!w.linked) return;  // met by a partner that lost the claim
  (w.kind == &send_kind ? c.senders_ : c.receivers_).remove(w);
}

const void* chan_wait::object(const wait_point& self) noexcept {
  return static_cast<const chan_wait&>(self).core_;
}

void chan_wait::throw_send_on_closed() {
  throw_panic("chan: send on closed channel");
}

// ---- life

chan_core* chan_core::make(const element_type& type, std::size_t capacity) {
  constexpr std::size_t most = static_cast<std::size_t>(PTRDIFF_MAX);
  if (capacity != no_limit && capacity > most / type.size) throw_panic("chan: size out of range");
  auto* c = new chan_core(type, capacity);
  if (capacity == 0 || capacity == no_limit) return c;
  try {
    c->buffer_ =
        static_cast<std::byte*>(::operator new(capacity * type.size, std::align_val_t{type.align}));
  } catch (...) {
    delete c;
    throw;
  }
  c->places_ = capacity;
  return c;
}

chan_core::chan_core(const element_type& type, std::size_t capacity) noexcept
    : type_(type), capacity_(capacity) {}

chan_core::~chan_core() {
  for (; count_ != 0; --count_) {
    destroy(place(head_));
    if (++head_ == places_) head_ = 0;
  }
  ::operator delete(buffer_, std::align_val_t{type_.align});
}

void chan_core::retain() noexcept {
  refs_.fetch_add(1, std::memory_order_relaxed);  // relaxed: made from a reference that is held
}

void chan_core::release() noexcept {
  // acq_rel: release what this side did; the last one acquires what all did [R2]
  if (refs_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  SLUICE_ASSERT(senders_.head == nullptr && receivers_.head == nullptr,
                "chan: last handle dropped while a routine waits on it");
  delete this;
}

// ---- passing values

try_outcome chan_core::send_locked(void* from, chan_wait*& woken) noexcept {
  if (closed_) return try_outcome::closed;
  if (recv_closed_) return try_outcome::refused;
  if (chan_wait* receiver = claim_first(receivers_)) {
    move(receiver->slot, from);
    receiver->outcome = chan_outcome::done;
    woken = receiver;
    return try_outcome::done;
  }
  if (count_ == places_) return try_outcome::would_block;
  std::size_t at = head_ + count_;
  if (at >= places_) at -= places_;
  move(place(at), from);
  ++count_;
  return try_outcome::done;
}

try_outcome chan_core::recv_locked(void* to, chan_wait*& woken) noexcept {
  if (count_ != 0) {
    relocate(to, place(head_));
    const std::size_t freed = head_;
    if (++head_ == places_) head_ = 0;
    if (chan_wait* sender = claim_first(senders_)) {
      move(place(freed), sender->slot);  // the place freed is the last of a full buffer
      sender->outcome = chan_outcome::done;
      woken = sender;
    } else {
      --count_;
    }
    return try_outcome::done;
  }
  if (chan_wait* sender = claim_first(senders_)) {
    move(to, sender->slot);
    sender->outcome = chan_outcome::done;
    woken = sender;
    return try_outcome::done;
  }
  return closed_ || recv_closed_ ? try_outcome::closed : try_outcome::would_block;
}

try_outcome chan_core::try_send(void* from) {
  chan_wait* woken = nullptr;
  const try_outcome o = lock_and_send(from, woken);
  lock_.unlock();
  if (woken != nullptr) make_runnable(woken->owner());
  return o;
}

bool sent(try_outcome o) {
  if (o == try_outcome::closed) throw_panic("chan: send on closed channel");
  return o == try_outcome::done;
}

try_outcome chan_core::try_recv(void* to) noexcept {
  chan_wait* woken = nullptr;
  lock_.lock();
  const try_outcome o = recv_locked(to, woken);
  lock_.unlock();
  if (woken != nullptr) make_runnable(woken->owner());
  return o;
}

try_outcome chan_core::lock_and_send(void* from, chan_wait*& woken) {
  lock_.lock();
  for (;;) {
    const try_outcome o = send_locked(from, woken);
    if (o != try_outcome::would_block || capacity_ != no_limit) return o;
    const std::size_t places = places_;
    lock_.unlock();
    grow(places);
    lock_.lock();
  }
}

void chan_core::grow(std::size_t places) {
  const std::size_t wanted = places == 0 ? 16 : places * 2;
  auto* larger =
      static_cast<std::byte*>(::operator new(wanted * type_.size, std::align_val_t{type_.align}));
  {
    const spin_guard guard(lock_);
    if (places_ == places) {  // else another sender was first
      for (std::size_t i = 0; i < count_; ++i) {
        relocate(larger + i * type_.size, place((head_ + i) % places_));
      }
      std::swap(buffer_, larger);
      head_ = 0;
      places_ = wanted;
    }
  }
  ::operator delete(larger, std::align_val_t{type_.align});
}

// ---- closing

void chan_core::close() {
  lock_.lock();
  if (closed_) {
    lock_.unlock();
    throw_panic("chan: close of closed channel");
  }
  closed_ = true;
  chan_wait* chain = end_all(receivers_, chan_outcome::closed, nullptr);
  chain = end_all(senders_, chan_outcome::closed, chain);
  lock_.unlock();
  wake_all(chain);
}

void chan_core::close_recv() noexcept {
  chan_wait* chain;
  {
    const spin_guard guard(lock_);
    recv_closed_ = true;
    chain = end_all(receivers_, chan_outcome::closed, nullptr);
    chain = end_all(senders_, chan_outcome::refused, chain);
  }
  wake_all(chain);
}

void chan_core::close_nil() {
  throw_panic("chan: close of nil channel");
}

chan_wait* chan_core::end_all(wait_queue& q, chan_outcome outcome, chan_wait* chain) noexcept {
  while (chan_wait* w = claim_first(q)) {
    w->outcome = outcome;
    w->next = chain;
    chain = w;
  }
  return chain;
}

void chan_core::wake_all(chan_wait* chain) noexcept {
  while (chain != nullptr) {
    chan_wait* w = chain;
    chain = w->next;
    make_runnable(w->owner());  // published: *w may be gone
  }
}

std::size_t chan_core::len() const noexcept {
  const spin_guard guard(lock_);
  return count_;
}

bool chan_core::drained() const noexcept {
  const spin_guard guard(lock_);
  return count_ == 0 && (closed_ || recv_closed_);
}

// ---- queues and elements

chan_wait* chan_core::claim_first(wait_queue& q) noexcept {
  while (chan_wait* w = q.head) {
    q.remove(*w);
    if (w->owner().claim.claim_armed()) return w;
    // A stop request was first: that routine is on its way to abandon(), and finds itself unlinked.
  }
  return nullptr;
}

void chan_core::wait_queue::push(chan_wait& w) noexcept {
  w.next = nullptr;
  w.prev = tail;
  (tail != nullptr ? tail->next : head) = &w;
  tail = &w;
  w.linked = true;
}

void chan_core::wait_queue::remove(chan_wait& w) noexcept {
  (w.prev != nullptr ? w.prev->next : head) = w.next;
  (w.next != nullptr ? w.next->prev : tail) = w.prev;
  w.linked = false;
}

void chan_core::move(void* to, void* from) const noexcept {
  if (type_.move != nullptr) {
    type_.move(to, from);
  } else if (type_.size == sizeof(void*)) {
    std::memcpy(to, from, sizeof(void*));
  } else {
    std::memcpy(to, from, type_.size);
  }
}

void chan_core::relocate(void* to, void* from) const noexcept {
  move(to, from);
  destroy(from);
}

void chan_core::destroy(void* at) const noexcept {
  if (type_.destroy != nullptr) type_.destroy(at);
}

}  // namespace sluice::detail
