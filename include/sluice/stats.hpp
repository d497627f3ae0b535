// SPDX-License-Identifier: MIT
// stats(): what the executors do, in numbers. Taking them costs the workers nothing.
#pragma once

#include <sluice/config.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice {

class executor;

/// What one worker has done since it started; counts.
struct worker_stats {
  std::uint64_t spawned = 0;         // routines started
  std::uint64_t finished = 0;        // routines that ended, stopped ones too
  std::uint64_t stopped = 0;         // of these, the stopped ones
  std::uint64_t resumed = 0;         // times a routine was taken on
  std::uint64_t parks = 0;           // times it blocked
  std::uint64_t wakes = 0;           // wake-ups it sent to other workers
  std::uint64_t spurious_wakes = 0;  // times it was woken and found nothing
  std::uint64_t steals = 0;          // times it took routines from another's queue
  std::uint64_t stolen = 0;          // routines so taken
  std::uint64_t overflows = 0;       // times half its queue moved to the shared one
  std::uint64_t syscalls = 0;        // of its reactor
};

/// Routines by state, now. Sums to the live ones.
struct routine_counts {
  std::size_t runnable = 0;  // made, yielded or woken
  std::size_t running = 0;
  std::size_t waiting = 0;
  std::size_t live() const noexcept { return runnable + running + waiting; }
};

struct executor_stats {
  routine_counts routines;
  std::uint64_t foreign_spawned = 0;  // routines started by threads that are no workers of it
  std::uint64_t foreign_pushes = 0;   // times such threads made a routine runnable
  std::uint64_t stalls = 0;           // times a worker was found in one routine for over 5-10 ms
  std::size_t blocking_threads = 0;
  std::size_t blocking_queued = 0;  // calls that wait for a thread
  worker_stats total;               // summed over the workers
  std::vector<worker_stats> workers;
};

/// Memory of the process's routines; bytes.
struct memory_stats {
  std::size_t frame_bytes = 0;   // in live frames
  std::size_t frame_peak = 0;    // highest seen
  std::size_t frame_cached = 0;  // in free frames, kept for reuse
  std::size_t record_bytes = 0;  // in routine records, free ones too
};

/// The counters of one executor, or summed over all of the process.
/// Threads: any. Cost: one walk over the routines' records; no worker is disturbed. Counters of
/// different workers are not of one instant.
SLUICE_EXPORT executor_stats stats(const executor& ex);
SLUICE_EXPORT executor_stats stats();

SLUICE_EXPORT memory_stats memory();

}  // namespace sluice
