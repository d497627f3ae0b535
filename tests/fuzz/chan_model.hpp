// SPDX-License-Identifier: MIT
// The reference that channels are held to: a buffer, two queues and two flags, with no routines.
//
// In a bubble an operation on a channel takes effect when it is awaited, and nothing runs beside it.
// So whatever the real channel does, the model, asked just before, has said already: who is served,
// with which value, who waits.
#pragma once

#include <cstddef>
#include <deque>

namespace sluice_fuzz {

class chan_model;

/// A send or receive that was begun.
struct chan_op {
  enum class outcome : unsigned char {
    waiting,
    done,     // handed over; of a receive: `value`
    nothing,  // a receive: closed
    refused,  // a send: the receiving side has closed
    panics,   // a send: closed
  };
  outcome how = outcome::waiting;
  bool sends = false;
  int value = -1;
  chan_model* in = nullptr;  // where it waits
};

class chan_model {
 public:
  static constexpr std::size_t no_limit = ~std::size_t{0};

  explicit chan_model(std::size_t capacity, bool is_nil = false)
      : capacity_(capacity), nil_(is_nil) {}

  /// Begins an operation; it may have ended when this returns. It stays where it is until it has.
  void send(chan_op& op, int value);
  void recv(chan_op& op);
  /// Takes back an operation that waits.
  void withdraw(chan_op& op);

  /// What try_send and try_recv must come to. `waiting`: they must not do anything.
  chan_op::outcome try_send(int value);
  chan_op try_recv();

  /// Returns: false if it must panic.
  bool close();
  void close_recv();

  std::size_t len() const { return buffer_.size(); }
  bool drained() const { return buffer_.empty() && (closed_ || recv_closed_); }
  bool is_open() const { return !closed_ && !recv_closed_; }
  bool is_nil() const { return nil_; }
  std::size_t waiting() const { return senders_.size() + receivers_.size(); }

 private:
  using queue = std::deque<chan_op*>;
  static void end_all(queue& q, chan_op::outcome how);
  bool take(int& value);

  std::size_t capacity_;
  bool nil_;
  bool closed_ = false;
  bool recv_closed_ = false;
  std::deque<int> buffer_;
  queue senders_;
  queue receivers_;
};

}  // namespace sluice_fuzz
