// SPDX-License-Identifier: MIT
// The half of a channel that does not know its element type: buffer, waiters, closing.
//
// Templates hand it the address of a value and a table of how to move one; everything that waits,
// locks, queues or allocates is compiled (lib/sync/chan_core.cpp, where the invariants stand).
#pragma once

#include <sluice/config.hpp>
#include <sluice/detail/base/atomic.hpp>
#include <sluice/detail/base/spin_lock.hpp>
#include <sluice/detail/sched/wait_point.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>

namespace sluice::detail {

/// How to treat an element. Null functions: memcpy, and nothing to destroy.
struct element_type {
  std::uint32_t size;
  std::uint32_t align;
  void (*move)(void* to, void* from) noexcept;  // constructs *to from std::move(*from)
  void (*destroy)(void* at) noexcept;
};

class chan_core;

/// How an operation on a channel ended.
enum class chan_outcome : unsigned char {
  waiting,  // it has not
  done,     // the value was handed over
  closed,   // receive: closed and drained; send: closed, which panics
  refused,  // send: the receiving side has closed
};

/// A send or receive that may wait. Lives in the awaiting frame.
class SLUICE_EXPORT chan_wait : public wait_point {
 public:
  // In the channel's queue, guarded by its lock; then in a list of whom to wake.
  chan_wait* next = nullptr;
  chan_wait* prev = nullptr;
  void* slot = nullptr;                          // where the value is taken from, or constructed
  bool linked = false;                           // guarded by the channel's lock
  chan_outcome outcome = chan_outcome::waiting;  // written by whoever ends the wait

 protected:
  chan_wait(await_site s, chan_core* c, const wait_kind& k) noexcept : wait_point(s, k), core_(c) {}
  ~chan_wait() = default;

  /// For await_suspend. Returns: whether the routine is suspended. Throws std::bad_alloc (unbounded).
  bool send(std::coroutine_handle<> frame);
  bool recv(std::coroutine_handle<> frame) noexcept;
  [[noreturn]] static void throw_send_on_closed();

  static const wait_kind send_kind;
  static const wait_kind recv_kind;

  chan_core* core_;  // null: nil; the caller's handle keeps it alive

 private:
  friend class chan_core;
  bool wait_for_ever(std::coroutine_handle<> frame) noexcept;
  static void abandon(wait_point& self) noexcept;
  static const void* object(const wait_point& self) noexcept;
  static const wait_kind nil_kind;
};

/// What a try did.
enum class try_outcome : unsigned char { done, would_block, closed, refused };

class SLUICE_EXPORT chan_core {
 public:
  static constexpr std::size_t no_limit = ~std::size_t{0};

  /// One reference. `capacity`: elements, or no_limit. Throws std::bad_alloc; panics if the buffer's
  /// size does not fit into an address space.
  static chan_core* make(const element_type& type, std::size_t capacity);
  void retain() noexcept;
  void release() noexcept;

  try_outcome try_send(void* from);
  try_outcome try_recv(void* to) noexcept;

  /// Panics if it is closed already.
  void close();
  void close_recv() noexcept;

  std::size_t len() const noexcept;
  bool drained() const noexcept;  // closed, and nothing buffered
  std::size_t cap() const noexcept { return capacity_; }

  static void close_nil();  // panics

 private:
  friend class chan_wait;

  struct wait_queue {
    chan_wait* head = nullptr;
    chan_wait* tail = nullptr;
    void push(chan_wait& w) noexcept;
    void remove(chan_wait& w) noexcept;
  };

  chan_core(const element_type& type, std::size_t capacity) noexcept;
  ~chan_core();

  static chan_wait* claim_first(wait_queue& q) noexcept;
  static chan_wait* end_all(wait_queue& q, chan_outcome outcome, chan_wait* chain) noexcept;
  static void wake_all(chan_wait* chain) noexcept;
  try_outcome send_locked(void* from, chan_wait*& woken) noexcept;
  try_outcome recv_locked(void* to, chan_wait*& woken) noexcept;
  /// Returns with the lock held, unless it throws. An unbounded channel never blocks.
  try_outcome lock_and_send(void* from, chan_wait*& woken);
  void grow(std::size_t places);
  std::byte* place(std::size_t i) const noexcept { return buffer_ + i * type_.size; }
  void move(void* to, void* from) const noexcept;
  void relocate(void* to, void* from) const noexcept;
  void destroy(void* at) const noexcept;

  const element_type type_;     // immutable
  const std::size_t capacity_;  // immutable
  atomic<std::uint32_t> refs_{1};
  mutable spin_lock lock_;  // guards all below
  bool closed_ = false;
  bool recv_closed_ = false;
  std::size_t places_ = 0;       // of the buffer; grows if there is no limit
  std::size_t head_ = 0;         // place of the oldest, in [0, places_)
  std::size_t count_ = 0;        // elements buffered
  std::byte* buffer_ = nullptr;  // places_ * type_.size bytes
  wait_queue senders_;
  wait_queue receivers_;
};

}  // namespace sluice::detail
