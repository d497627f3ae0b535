// SPDX-License-Identifier: MIT
#include <sluice/time.hpp>

#include "sched/executor_core.hpp"
#include "sched/wait.hpp"

namespace sluice::detail {

sleep_op::sleep_op(await_site at, time_point until) noexcept
    : wait_point(at, sleep_kind), relative_(false), until_(until), timer_(*this) {}

sleep_op::sleep_op(await_site at, duration d) noexcept
    : wait_point(at, sleep_kind), relative_(true), d_(d), timer_(*this) {}

bool sleep_op::await_suspend(std::coroutine_handle<> frame) {
  routine& r = owner();
  if (r.must_stop()) return refuse(*this, frame), true;
  worker& w = running_on(r);
  const time_point now = w.ex.now();
  const time_point until = relative_ ? deadline_after(now, d_) : until_;
  if (until <= now) return done_at_once(*this, frame);
  w.timers.lock_with_room();
  begin_wait(*this, frame);
  w.timers.add(timer_, until);
  if (!r.claim.arm(claim_word::armed, r)) {
    w.timers.unlock();
    w.timers.remove(timer_);
    refuse(*this, frame);
    return true;
  }
  w.timers.unlock();  // published: *this may be gone
  return true;
}

void sleep_op::abandon(wait_point& self) noexcept {
  timer_node& t = static_cast<sleep_op&>(self).timer_;
  t.heap->remove(t);
}

}  // namespace sluice::detail
