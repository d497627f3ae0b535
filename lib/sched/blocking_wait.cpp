// SPDX-License-Identifier: MIT
#include <sluice/detail/sched/blocking_wait.hpp>

#include "sched/executor_core.hpp"
#include "sched/wait.hpp"

namespace sluice::detail {

constinit const wait_kind blocking_wait::blocking_kind{wait_reason::blocking, nullptr, request_stop,
                                                       nullptr};

blocking_wait::blocking_wait(await_site at, void (*call)(blocking_wait&) noexcept) noexcept
    : wait_point(at, blocking_kind), call_(call) {
  run = run_job;
}

bool blocking_wait::suspend(std::coroutine_handle<> frame) noexcept {
  routine& r = owner();
  if (r.must_stop()) return refuse(*this, frame), true;
  worker& w = running_on(r);
  if (w.ex.is_simulated()) {
    call_(*this);  // in the simulation nothing happens beside the one thread
    return done_at_once(*this, frame);
  }
  begin_wait(*this, frame);
  if (!r.claim.arm(claim_word::pinned, r)) return refuse(*this, frame), true;
  w.ex.blocking.submit(*this);  // published: *this may be gone
  return true;
}

void blocking_wait::run_job(pool_job& job) noexcept {
  auto& self = static_cast<blocking_wait&>(job);
  self.call_(self);
  end_pinned(self.owner());  // published: self may be gone
}

void blocking_wait::request_stop(wait_point& self) noexcept {
  auto& job = static_cast<blocking_wait&>(self);
  routine& r = job.owner();
  if (!r.executor->blocking.withdraw(job)) {
    r.claim.unpin();  // published: the call may have ended meanwhile
    return;
  }
  end_stopping(r);
}

}  // namespace sluice::detail
