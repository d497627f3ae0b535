// SPDX-License-Identifier: MIT
#include "sched/monitor.hpp"

#include "base/futex.hpp"
#include "sched/cancel_node.hpp"
#include "sched/executor_core.hpp"

#include <pthread.h>
#include <signal.h>

namespace sluice::detail {

namespace {
// Looks in a row that must find nothing going on before it sleeps: a server that parks between
// requests does not wake it for each of them.
constexpr int quiet_looks = 10;
}  // namespace

void monitor::start() {
  if (ex_.workers().size() < 2) return;
  thread_ = std::thread([this] { serve(); });
}

void monitor::stop() noexcept {
  if (!thread_.joinable()) return;
  leave_.store(1, std::memory_order_release);  // release: pairs with leaving() [M2]
  futex_wake_all(leave_);
  rouse_slow();
  thread_.join();
}

void monitor::serve() noexcept {
  ::pthread_setname_np(::pthread_self(), "sluice-monitor");
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  std::vector<look> last(ex_.workers().size());
  int quiet = 0;
  while (!leaving()) {
    futex_wait(leave_, 0, period.count());
    quiet = look_round(last) ? 0 : quiet + 1;
    if (quiet >= quiet_looks) {
      sleep();
      quiet = 0;
    }
  }
}

/// Returns: whether any worker is awake or has run anything since the last look.
bool monitor::look_round(std::vector<look>& last) noexcept {
  bool busy = false;
  for (std::size_t i = 0; i < last.size(); ++i) {
    worker& w = *ex_.workers()[i];
    look& l = last[i];
    // relaxed: two reads are compared; odd while a routine runs
    const std::uint64_t ticks = w.ticks.load(std::memory_order_relaxed);
    const bool stuck = ticks == l.ticks && (ticks & 1) != 0;
    // relaxed: a sample
    busy |= ticks != l.ticks || w.state.load(std::memory_order_relaxed) != worker_state::parked;
    l.ticks = ticks;
    if (!stuck) {
      l.reported = false;
      continue;
    }
    if (!std::exchange(l.reported, true)) {
      // relaxed: a figure, written here only
      stalls_.store(stalls_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
    rescue(w);
  }
  return busy;
}

void monitor::rescue(worker& w) noexcept {
  if (routine* r = w.steal_next()) ex_.inject(*r);
  const due_timers due = w.timers.expire(ex_.now());
  for (routine* r = due.routines; r != nullptr;) {
    routine* following = std::exchange(r->next, nullptr);
    ex_.inject(*r);
    r = following;
  }
  end_contexts(due.contexts, errc::deadline_exceeded);
  if (w.has_stealable()) ex_.notify();
}

void monitor::sleep() noexcept {
  // seq_cst: before the look at the workers; pairs with rouse() [M1]
  asleep_.store(1, std::memory_order_seq_cst);
  for (const auto& w : ex_.workers()) {
    // seq_cst: after the store; a worker stores its state, then looks at asleep_ [M1]
    if (w->state.load(std::memory_order_seq_cst) != worker_state::parked) {
      asleep_.store(0, std::memory_order_relaxed);  // relaxed: a rouse() in vain does no harm
      return;
    }
  }
  while (asleep_.load(std::memory_order_acquire) != 0 &&
         !leaving()) {  // acquire: rouse_slow() [M1]
    const time_point now = ex_.now();
    const time_point look_at = ex_.deadlocks.next_look(now);
    if (look_at <= now) {
      ex_.deadlocks.look(nullptr, now);
      continue;
    }
    futex_wait(asleep_, 1, look_at == time_point::max() ? -1 : (look_at - now).count());
  }
}

void monitor::rouse_slow() noexcept {
  // release: pairs with sleep() [M1]
  if (asleep_.exchange(0, std::memory_order_acq_rel) != 0) futex_wake_all(asleep_);
}

}  // namespace sluice::detail
