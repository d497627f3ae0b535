// SPDX-License-Identifier: MIT
#include <sluice/detail/coro/frame_alloc.hpp>
#include <sluice/runtime.hpp>
#include <sluice/stats.hpp>

#include "sched/executor_core.hpp"
#include "sched/routine_pool.hpp"

namespace sluice {

namespace {

using detail::claim_word;
using detail::executor_core;
using detail::routine;
using detail::routine_phase;

worker_stats of(const detail::worker& w) {
  const detail::worker_counters& c = w.count;
  worker_stats s;
  s.spawned = c.spawned.load();
  s.finished = c.finished.load();
  s.stopped = c.stopped.load();
  s.resumed = c.resumed.load();
  s.parks = c.parks.load();
  s.wakes = c.wakes.load();
  s.spurious_wakes = c.spurious_wakes.load();
  s.steals = c.steals.load();
  s.stolen = c.stolen.load();
  s.overflows = c.overflows.load();
  s.syscalls = w.io != nullptr ? w.io->syscalls() : 0;
  return s;
}

void add(worker_stats& to, const worker_stats& s) {
  to.spawned += s.spawned;
  to.finished += s.finished;
  to.stopped += s.stopped;
  to.resumed += s.resumed;
  to.parks += s.parks;
  to.wakes += s.wakes;
  to.spurious_wakes += s.spurious_wakes;
  to.steals += s.steals;
  to.stolen += s.stolen;
  to.overflows += s.overflows;
  to.syscalls += s.syscalls;
}

void add(executor_stats& to, const executor_core& core) {
  // relaxed: figures
  to.foreign_spawned += core.foreign_spawned.load(std::memory_order_relaxed);
  to.foreign_pushes += core.foreign_pushes.load(std::memory_order_relaxed);
  to.stalls += core.watch.stalls();
  const auto pool = core.blocking.count();
  to.blocking_threads += pool.threads;
  to.blocking_queued += pool.queued;
  for (const auto& w : core.workers()) {
    to.workers.push_back(of(*w));
    add(to.total, to.workers.back());
  }
}

/// Counts the live routines of one executor, or, with null, of all.
routine_counts count(const executor_core* ex) {
  routine_counts n;
  detail::routine_pool::instance().for_each([&](const routine& r) {
    // relaxed: most records are free; read_facts() makes sure
    if (r.phase.load(std::memory_order_relaxed) != routine_phase::live) return;
    detail::routine_facts f;
    if (!detail::read_facts(r, f) || f.phase != routine_phase::live) return;
    if (ex != nullptr && f.executor != ex) return;
    switch (f.state) {
      case claim_word::running:
        ++n.running;
        break;
      case claim_word::claimed:
        ++n.runnable;
        break;
      case claim_word::armed:
      case claim_word::pinned:
      case claim_word::stopping:
        ++n.waiting;
        break;
    }
  });
  return n;
}

}  // namespace

executor_stats stats(const executor& ex) {
  executor_stats s;
  add(s, ex.core());
  s.routines = count(&ex.core());
  return s;
}

executor_stats stats() {
  executor_stats s;
  executor_core::for_each([&](executor_core& core) { add(s, core); });
  s.routines = count(nullptr);
  return s;
}

memory_stats memory() {
  const detail::frame_stats f = detail::frame_pool_stats();
  memory_stats m;
  m.frame_bytes = f.live_bytes;
  m.frame_peak = f.peak_bytes;
  m.frame_cached = f.cached_bytes;
  m.record_bytes = detail::routine_pool::instance().bytes();
  return m;
}

}  // namespace sluice
