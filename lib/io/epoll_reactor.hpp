// SPDX-License-Identifier: MIT
// A reactor over epoll(7) and the blocking pool, for kernels and containers without io_uring.
//
// An operation is tried at once without blocking. If its descriptor is not ready it waits in the
// descriptor's watch, which epoll reports once (EPOLLONESHOT), and is tried again; what epoll does
// not take (regular files, openat, statx, fsync) goes to the pool. It keeps no state that a close
// must undo: a descriptor closed and reused is found out when it is next armed.
#pragma once

#include <sluice/detail/base/atomic.hpp>
#include <sluice/detail/io/op_base.hpp>

#include "io/epoll_set.hpp"
#include "io/op_fifo.hpp"
#include "sched/blocking_pool.hpp"
#include "sched/reactor.hpp"

#include <cstddef>
#include <cstdint>
#include <forward_list>
#include <memory>
#include <vector>

namespace sluice::detail {

struct attempted;

/// Invariants:
///   I1  an operation in flight is in one watch, or in ended_, or has one job
///   I2  a watch with operations in it is armed in epoll for all of them, between calls
///   I3  a job is in free_ or returned_, or belongs to one operation; its fields but `link` are
///       written by the worker only
/// Guards: owner: the worker, where nothing else is said.
class epoll_reactor final : public reactor {
 public:
  /// What it ends operations by.
  struct options {
    void (*complete)(operation&, int) noexcept = &detail::complete;
    void (*complete_remote)(operation&, int) noexcept = &detail::complete_remote;
  };

  /// Errors: std::system_error, as epoll_set.
  explicit epoll_reactor(blocking_pool& pool);
  epoll_reactor(blocking_pool& pool, const options& o);
  /// Nothing is in flight and the pool has stopped: its threads send operations home from here.
  ~epoll_reactor() override;

  /// Cost: the try, one to four system calls; EPOLL_CTL_MOD if it must wait. What has ended at once
  /// is completed by the next poll().
  void start(operation& op) noexcept override;

  /// What waits for readiness or for a thread of the pool ends now; what runs there ends by itself.
  void cancel(operation& op) noexcept override;

  void poll(time_point deadline) noexcept override;

  /// Readiness does not show in memory: true while anything waits for it, perhaps in vain.
  bool ready() const noexcept override;

  void wake() noexcept override;

  /// What the pool has ended and sent home does not count.
  std::size_t inflight() const noexcept override;

  unsigned long syscalls() const noexcept override;

 private:
  struct watch;
  struct job;
  class job_stack {
   public:
    void push(job& j) noexcept;
    [[nodiscard]] job* take_all() noexcept;
    bool empty() const noexcept;

   private:
    atomic<job*> top_{nullptr};
  };

  // what becomes of operations
  void end(io_op& op, int result) noexcept;
  void settle(io_op& op, const attempted& a) noexcept;
  bool flush() noexcept;

  // watches
  watch* find_watch(int fd) const noexcept;
  watch* make_watch(int fd) noexcept;
  static op_fifo* queue_of(watch& w, opcode code) noexcept;
  bool join_queue(io_op& op) noexcept;
  void wait_ready(io_op& op) noexcept;
  void fail(watch& w, int result) noexcept;
  void advance(op_fifo& queue) noexcept;
  void report(watch& w, unsigned events) noexcept;
  void serve(std::uint64_t key, unsigned events) noexcept;

  // jobs
  job* make_job() noexcept;
  void offload(io_op& op, bool stream) noexcept;
  static void run_job(pool_job& j) noexcept;
  void look_again() noexcept;

  void count(unsigned calls) noexcept;

  blocking_pool& pool_;  // immutable
  const options to_;     // immutable
  epoll_set set_;
  std::vector<std::unique_ptr<watch[]>> pages_;  // by fd; a watch never moves
  op_fifo ended_;                                // with their results, until the next poll()
  std::size_t ended_count_ = 0;
  std::size_t watching_ = 0;     // operations in watches
  unsigned skipped_ = 0;         // polls in a row that did not look at epoll
  std::forward_list<job> jobs_;  // all there are; type-stable
  job* free_ = nullptr;
  job_stack returned_;              // pool threads: to become free_
  job_stack again_;                 // pool threads: not ready after all
  atomic<std::size_t> in_pool_{0};  // operations that have a job [E1]
  atomic<unsigned long> calls_{0};
};

}  // namespace sluice::detail
