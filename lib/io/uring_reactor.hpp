// SPDX-License-Identifier: MIT
// A reactor on a ring: parking is one enter, which submits, waits and carries the next deadline;
// waking is an eventfd that the ring always reads.
//
// start() and cancel() only prepare submissions: they enter the kernel when 32 are pending or the
// submission queue is full, else poll() submits. Nothing is ever given up for lack of room: what the
// ring does not take waits in order in a list that links the operations themselves.
//
// Invariants:
//   I1  An operation's address is the user_data of at most one submission at a time.
//   I2  A cancellation is submitted behind the operation's own submission, and before the address
//       can be started again: the operation is completed only when its cancellation has left queue_.
//   I3  Whenever the reactor blocks the wake read is armed, or its completion is pending:
//       wake_armed_. It is not armed again before the next time. A wake in between stays in the
//       eventfd, and completes the read at once.
//   I4  An operation is completed only by the completion of its own submission, or while it has none.
#pragma once

#include <sluice/detail/io/op_base.hpp>

#include "io/op_fifo.hpp"
#include "io/ring.hpp"
#include "sched/reactor.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace sluice::detail {

struct uring_options {
  unsigned sq_entries = 256;            // see ring_options
  unsigned cq_entries = 1024;           // likewise
  const ring_faults* faults = nullptr;  // tests; copied

  /// Who is told of completions.
  void (*complete)(operation& op, int result) noexcept = &detail::complete;
};

/// What the reactor knows of an operation in flight. Kept in operation::result, which has no other
/// meaning until the operation completes.
///
///   bit       set                                       cleared
///   queued    start, retry: the ring takes no more      its submission is prepared; cancelled
///   stopping  cancel                                    never
///   halting   cancel: the ring takes no more            the cancellation is prepared; completed
///   polling   read, write: EAGAIN                       the descriptor is ready, or the poll ended
/// queued and halting exclude each other: an operation is in the list at most once.
enum in_flight : int { queued = 1, stopping = 2, halting = 4, polling = 8 };

class uring_reactor : public reactor {
 public:
  /// To be called on the worker's thread, which owns the reactor.
  /// Throws std::system_error, as ring does.
  explicit uring_reactor(const uring_options& options);

  /// Requires: nothing in flight. On the worker's thread, or when that has ended.
  ~uring_reactor() override;

  // Operations must be io_op. Those of other kinds never come here: the blocking pool runs them.
  void start(operation& op) noexcept override;
  void cancel(operation& op) noexcept override;
  void poll(time_point deadline) noexcept override;
  bool ready() const noexcept override;
  void wake() noexcept override;
  std::size_t inflight() const noexcept override { return inflight_; }
  unsigned long syscalls() const noexcept override;

  const ring& underlying() const noexcept { return ring_; }

  /// Operations and cancellations that wait for room in the ring. O(n); for tests and dumps.
  std::size_t waiting() const noexcept;

 private:
  io_uring_sqe* get_sqe() noexcept;
  bool submit(io_op& op) noexcept;
  bool submit_cancel(io_op& op) noexcept;
  bool arm_wake() noexcept;
  void submit_or_queue(io_op& op) noexcept;
  bool drain_queue() noexcept;

  unsigned reap() noexcept;
  void on_completion(std::uint64_t user_data, int res) noexcept;
  void on_wake(int res) noexcept;
  void on_result(io_op& op, int res) noexcept;
  void finish(io_op& op, int res) noexcept;

  ring ring_;
  void (*complete_)(operation&, int) noexcept;  // immutable
  int wake_fd_;                                 // immutable: eventfd
  bool wake_armed_ = false;                     // owner: I3
  std::uint64_t wake_value_ = 0;                // the kernel, while the wake read is armed
  std::size_t inflight_ = 0;                    // owner
  op_fifo queue_;                   // owner: through queue_next; only while the ring refuses
  atomic<unsigned long> wakes_{0};  // any thread: system calls of wake()
};

/// Makes a reactor on a ring, for the calling thread. Throws std::system_error with the cause in
/// words; uring_unavailable() tells whether another reactor may take its place.
std::unique_ptr<reactor> make_uring_reactor(const uring_options& options);

}  // namespace sluice::detail
