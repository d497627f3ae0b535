// SPDX-License-Identifier: MIT
// chan<T>: Go's channel. send_chan<T>, recv_chan<T>: its one-way views.
#pragma once

#include <sluice/config.hpp>
#include <sluice/detail/sync/chan_handle.hpp>
#include <sluice/detail/sync/chan_op.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace sluice {

/// For `chan<T> c{unbounded};`: sends never wait; the buffer grows as needed and is kept.
struct unbounded_t {
  explicit unbounded_t() = default;
};
inline constexpr unbounded_t unbounded{};

template <class T>
class send_chan;
template <class T>
class recv_chan;

/// A channel: hands values of type T from routines that send to routines that receive.
///
/// A counted reference, as in Go: copies refer to the same channel, which ends with the last of them.
/// Capacity 0 is a rendezvous: a send completes when a receive takes the value. Values come out in the
/// order they went in; waiters are served first come, first served, and a value passes directly from a
/// sender to a receiver that waits. What a routine did before a send happens before what another does
/// after it has received that value; the k-th receive from a channel of capacity C happens before
/// the (k+C)-th send completes.
/// T: an object type that is nothrow move constructible and destructible; it may be move-only.
/// Threads: any routine of any executor; try_*, len, cap, close and close_recv from any thread.
/// Cost: no allocation per operation (unbounded: when the buffer doubles); about 10 ns uncontended.
/// Lifetime: a handle must outlive the operations made on it; a channel whose last handle goes while
/// a routine waits on it is fatal.
template <class T>
class chan {
  static_assert(std::is_object_v<T> && !std::is_const_v<T>, "chan<T>: T is an object type");

 public:
  using value_type = T;

  /// A nil channel: sends and receives wait for ever, close panics.
  chan() noexcept = default;
  /// A channel with a buffer for `capacity` values. Throws std::bad_alloc; panics if that many values
  /// do not fit into memory.
  explicit chan(std::size_t capacity) : core_(detail::element_of<T>, capacity) {}
  explicit chan(unbounded_t) : core_(detail::element_of<T>, detail::chan_core::no_limit) {}

  /// Sends a value: `bool sent = co_await c.send(std::move(v));`.
  /// An rvalue is borrowed and moved from when it is handed over: a send that was refused, stopped or
  /// threw has left it untouched. An lvalue is copied first.
  /// Suspends: while the buffer is full, or, without one, until a receiver takes the value.
  /// Returns: true; false after close_recv(), the value untouched.
  /// Errors: throws panic_error if the channel is or becomes closed.
  /// Cancellation: ends stopped before the value was handed over; a send that was completed delivers.
  detail::send_call<T> send(T&& value) const noexcept {
    detail::check_send_argument<T>();
    return detail::send_call<T>(core_.get(), std::addressof(value));
  }
  detail::emplace_call<T, const T&> send(const T& value) const noexcept {
    return detail::emplace_call<T, const T&>(core_.get(), std::addressof(value));
  }
  /// Sends T(args...), made when awaited. As send otherwise.
  template <class... A>
    requires std::is_constructible_v<T, A...>
  detail::emplace_call<T, A&&...> emplace(A&&... args) const noexcept {
    return detail::emplace_call<T, A&&...>(core_.get(), std::addressof(args)...);
  }

  /// Receives a value: `while (auto v = co_await c.recv())` is Go's range over a channel.
  /// Suspends: while there is none.
  /// Returns: a value, or nothing once the channel is closed and drained, or after close_recv().
  /// Cancellation: ends stopped, taking nothing; a receive that was completed delivers.
  detail::recv_call<T> recv() const noexcept { return detail::recv_call<T>(core_.get()); }

  /// Sends without waiting. Returns: whether the value was handed over; otherwise it is untouched.
  /// Errors: as send.
  bool try_send(T&& value) const { return detail::try_send_to<T>(core_.get(), value); }
  bool try_send(const T& value) const {
    T copy(value);
    return detail::try_send_to<T>(core_.get(), copy);
  }
  /// Receives without waiting; after close_recv() too. Returns: a value, or nothing if there is none.
  std::optional<T> try_recv() const noexcept { return detail::try_recv_from<T>(core_.get()); }

  /// Says that nothing more will be sent. Receivers take what is buffered, then nothing.
  /// Errors: throws panic_error if the channel is closed or nil; senders that wait panic too, as in Go.
  void close() const { core_.close(); }
  /// Says that nothing more will be received: senders, waiting ones too, get false; receivers nothing.
  /// What is buffered can still be had by try_recv. Idempotent; nothing on a nil channel.
  void close_recv() const noexcept { core_.close_recv(); }

  /// Values buffered now. 0 for nil.
  std::size_t len() const noexcept { return core_.len(); }
  /// Values the buffer can hold; the largest std::size_t if unbounded; 0 for nil.
  std::size_t cap() const noexcept { return core_.cap(); }
  /// Whether it is closed and nothing is buffered: tells, after an empty try_recv, "no more" from "none
  /// yet".
  bool drained() const noexcept { return core_.drained(); }

  /// Whether it is not nil.
  explicit operator bool() const noexcept { return core_.get() != nullptr; }
  /// Whether both refer to one channel.
  friend bool operator==(const chan&, const chan&) noexcept = default;

 private:
  friend class send_chan<T>;
  friend class recv_chan<T>;
  detail::chan_handle core_;
};

/// The sending view of a channel; the members are chan<T>'s.
template <class T>
class send_chan {
 public:
  using value_type = T;

  send_chan() noexcept = default;
  send_chan(const chan<T>& c) noexcept : chan_(c) {}
  send_chan(chan<T>&& c) noexcept : chan_(std::move(c)) {}

  detail::send_call<T> send(T&& value) const noexcept { return chan_.send(std::move(value)); }
  detail::emplace_call<T, const T&> send(const T& value) const noexcept {
    return chan_.send(value);
  }
  template <class... A>
    requires std::is_constructible_v<T, A...>
  detail::emplace_call<T, A&&...> emplace(A&&... args) const noexcept {
    return chan_.emplace(std::forward<A>(args)...);
  }
  bool try_send(T&& value) const { return chan_.try_send(std::move(value)); }
  bool try_send(const T& value) const { return chan_.try_send(value); }
  void close() const { chan_.close(); }
  std::size_t len() const noexcept { return chan_.len(); }
  std::size_t cap() const noexcept { return chan_.cap(); }
  explicit operator bool() const noexcept { return static_cast<bool>(chan_); }
  friend bool operator==(const send_chan&, const send_chan&) noexcept = default;

 private:
  chan<T> chan_;
};

/// The receiving view of a channel; the members are chan<T>'s.
template <class T>
class recv_chan {
 public:
  using value_type = T;

  recv_chan() noexcept = default;
  recv_chan(const chan<T>& c) noexcept : chan_(c) {}
  recv_chan(chan<T>&& c) noexcept : chan_(std::move(c)) {}

  detail::recv_call<T> recv() const noexcept { return chan_.recv(); }
  std::optional<T> try_recv() const noexcept { return chan_.try_recv(); }
  void close_recv() const noexcept { chan_.close_recv(); }
  std::size_t len() const noexcept { return chan_.len(); }
  std::size_t cap() const noexcept { return chan_.cap(); }
  bool drained() const noexcept { return chan_.drained(); }
  explicit operator bool() const noexcept { return static_cast<bool>(chan_); }
  friend bool operator==(const recv_chan&, const recv_chan&) noexcept = default;

 private:
  chan<T> chan_;
};

}  // namespace sluice
