// SPDX-License-Identifier: MIT
// Jobs in order of arrival, linked through themselves: any may be taken out. Owns none.
#pragma once

#include <sluice/detail/sched/pool_job.hpp>

namespace sluice::detail {

/// A job is in one list at most; its links and `queued` are guarded by what guards that list.
class pool_job_list {
 public:
  bool empty() const noexcept { return first_ == nullptr; }

  void push(pool_job& job) noexcept {
    job.next = nullptr;
    job.prev = last_;
    (last_ != nullptr ? last_->next : first_) = &job;
    last_ = &job;
    job.queued = true;
  }

  /// Takes the first out of a list that is not empty.
  pool_job& pop() noexcept {
    pool_job& job = *first_;
    remove(job);
    return job;
  }

  /// Of a job that is in this list.
  void remove(pool_job& job) noexcept {
    (job.prev != nullptr ? job.prev->next : first_) = job.next;
    (job.next != nullptr ? job.next->prev : last_) = job.prev;
    job.queued = false;
  }

 private:
  pool_job* first_ = nullptr;
  pool_job* last_ = nullptr;
};

}  // namespace sluice::detail
