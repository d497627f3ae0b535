// SPDX-License-Identifier: MIT
// What a worker parks on. Implemented over io_uring and epoll (io/) and by the simulation (testing/).
//
// A reactor belongs to one worker: all calls but wake() come from its thread. An operation that was
// started is completed exactly once, by complete(); between the two it is in flight.
#pragma once

#include <sluice/clock.hpp>
#include <sluice/detail/sched/operation.hpp>

#include <cstddef>
#include <string>

namespace sluice::detail {

class reactor {
 public:
  reactor() = default;
  reactor(const reactor&) = delete;
  reactor& operator=(const reactor&) = delete;
  virtual ~reactor() = default;

  /// Takes an operation on. Never fails and never blocks: what cannot be submitted is queued, what
  /// the system refuses completes with its errno. May complete it before it returns.
  virtual void start(operation& op) noexcept = 0;

  /// Asks for the end of an operation in flight. It still completes exactly once, with whatever
  /// result it has: -ECANCELED if it had no effect.
  virtual void cancel(operation& op) noexcept = 0;

  /// Submits what is pending, completes what is ready, and blocks until something is, wake() is
  /// called, or `deadline` has passed. A deadline in the past: does not block.
  /// time_point::max(): no deadline. May return early for no reason.
  virtual void poll(time_point deadline) noexcept = 0;

  /// Whether poll() would find something to submit or complete now. Reads memory only.
  virtual bool ready() const noexcept = 0;

  /// Makes a concurrent or the next poll() return. Any thread; sticky.
  virtual void wake() noexcept = 0;

  /// Operations started and not completed.
  virtual std::size_t inflight() const noexcept = 0;

  /// System calls made so far; relaxed reads from other threads.
  virtual unsigned long syscalls() const noexcept = 0;
};

/// Ends an operation with its result and makes its routine runnable on its home worker's executor.
/// Called by the reactor, on the home worker. `op` may be gone when it returns.
void complete(operation& op, int result) noexcept;

/// Sends an operation home with its result, from any thread: its home worker completes it.
/// `op` may be gone when it returns.
void complete_remote(operation& op, int result) noexcept;

}  // namespace sluice::detail
