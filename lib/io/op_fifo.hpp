// SPDX-License-Identifier: MIT
// A queue of operations of one reactor, linked through queue_next. Owns none, allocates nothing.
#pragma once

#include <sluice/detail/io/op_base.hpp>

#include <utility>

namespace sluice::detail {

/// Operations in order of arrival. They form a ring, so that one pointer names both ends.
class op_fifo {
 public:
  op_fifo() noexcept = default;
  op_fifo(op_fifo&& o) noexcept : last_(std::exchange(o.last_, nullptr)) {}

  bool empty() const noexcept { return last_ == nullptr; }

  /// Of a queue that is not empty.
  io_op& front() const noexcept { return static_cast<io_op&>(*last_->queue_next); }

  /// The operation behind one that is queued here; null behind the last.
  io_op* after(const io_op& op) const noexcept {
    return &op == last_ ? nullptr : static_cast<io_op*>(op.queue_next);
  }

  void push(io_op& op) noexcept {
    op.queue_next = last_ == nullptr ? &op : std::exchange(last_->queue_next, &op);
    last_ = &op;
  }

  /// Takes the first out of a queue that is not empty.
  io_op& pop() noexcept {
    io_op& first = front();
    take_behind(*last_);
    return first;
  }

  /// Cost: O(operations queued).
  bool contains(const io_op& op) const noexcept { return before(op) != nullptr; }

  /// Takes an operation out. Returns: whether it was there. Cost: O(operations queued).
  bool remove(const io_op& op) noexcept {
    operation* const previous = before(op);
    if (previous == nullptr) return false;
    take_behind(*previous);
    return true;
  }

 private:
  operation* before(const io_op& op) const noexcept {
    operation* at = last_;
    if (at == nullptr) return nullptr;
    do {
      if (at->queue_next == &op) return at;
      at = at->queue_next;
    } while (at != last_);
    return nullptr;
  }

  void take_behind(operation& previous) noexcept {
    operation* const taken = previous.queue_next;
    previous.queue_next = taken->queue_next;
    if (taken == last_) last_ = taken == &previous ? nullptr : &previous;
    taken->queue_next = nullptr;
  }

  operation* last_ = nullptr;  // its queue_next is the first
};

}  // namespace sluice::detail
