// SPDX-License-Identifier: MIT
// Threads for what blocks: the elastic, bounded pool behind blocking(f) and the file operations of
// reactors that cannot do them otherwise.
#pragma once

#include <sluice/clock.hpp>
#include <sluice/detail/sched/pool_job.hpp>

#include <cstddef>
#include <memory>

namespace sluice::detail {

/// Invariants, all guarded by the pool's mutex:
///   I1  idle + running <= threads <= limit
///   I2  for each queued job a thread is on its way to the queue, or no thread is idle and there are
///       `limit` of them, or as many as the system lets us have
///   I3  a job is run exactly once or withdrawn, never both
/// FIFO. Threads start on demand; of the idle ones the last to fall idle works first, so that those
/// beyond need stay idle and leave after `linger`. They are named "sluice-block" and block all
/// signals but those that a fault of their own raises.
class blocking_pool {
 public:
  struct options {
    std::size_t limit = 64;                      // threads at most, at least 1
    duration linger = std::chrono::seconds(10);  // an idle thread leaves after this; max(): never
  };

  explicit blocking_pool(const options& o);
  blocking_pool(const blocking_pool&) = delete;
  blocking_pool& operator=(const blocking_pool&) = delete;
  ~blocking_pool();  // stops

  /// Queues a job. Any thread. If no thread can be started and none exists, the job runs on the
  /// calling thread: it is never lost.
  /// Cost: about 1 us; 20-60 us when it starts a thread, and other callers wait meanwhile.
  void submit(pool_job& job) noexcept;

  /// Takes back a job that no thread has begun. Any thread; `job` must not have been destroyed, but
  /// may have run. Returns: whether it was taken back.
  [[nodiscard]] bool withdraw(pool_job& job) noexcept;

  struct counts {
    std::size_t threads, idle, queued, running;
  };
  counts count() const noexcept;

  /// Waits for running jobs, runs what is queued, joins all threads. No submit() afterwards.
  /// Idempotent; not on a thread of the pool.
  void stop() noexcept;

 private:
  struct state;
  std::unique_ptr<state> s_;
};

}  // namespace sluice::detail
