// SPDX-License-Identifier: MIT
// The compiled half of blocking(f): a job of the blocking pool that a routine waits for.
#pragma once

#include <sluice/config.hpp>
#include <sluice/detail/sched/pool_job.hpp>
#include <sluice/detail/sched/wait_point.hpp>

#include <coroutine>

namespace sluice::detail {

class SLUICE_EXPORT blocking_wait : public wait_point, private pool_job {
 protected:
  blocking_wait(await_site site, void (*call)(blocking_wait&) noexcept) noexcept;
  ~blocking_wait() = default;

  bool suspend(std::coroutine_handle<> frame) noexcept;

 private:
  static void run_job(pool_job& job) noexcept;
  static void request_stop(wait_point& self) noexcept;
  static const wait_kind blocking_kind;

  void (*call_)(blocking_wait&) noexcept;
};

}  // namespace sluice::detail
