// SPDX-License-Identifier: MIT
// The executor below its public face: its workers, what they share, and how it starts and ends.
// Knows reactors by their interface only; the runtime layer says which to make.
#pragma once

#include <sluice/clock.hpp>

#include "sched/blocking_pool.hpp"
#include "sched/deadlock_watch.hpp"
#include "sched/idle.hpp"
#include "sched/inject_queue.hpp"
#include "sched/monitor.hpp"
#include "sched/monotonic.hpp"
#include "sched/reactor.hpp"
#include "sched/routine.hpp"
#include "sched/worker.hpp"

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <source_location>
#include <string>
#include <vector>

namespace sluice::detail {

/// An exception that left a routine and that nobody joins. Valid while the policy runs.
struct escaped {
  const routine& r;
  std::exception_ptr exception;
};

/// Applies the policy of the routine's executor (default: text, abort) to such an exception.
void report_escape(const routine& r, std::exception_ptr e) noexcept;

/// Who runs the workers of an executor that has no threads: the test bench.
class simulation {
 public:
  virtual time_point now() const noexcept = 0;
  /// Wakes the wait once nothing else can run; it is armed, and under the simulation's one thread.
  virtual void settle(wait_point& w) noexcept = 0;
  virtual void unsettle(wait_point& w) noexcept = 0;

 protected:
  ~simulation() = default;
};

struct core_options {
  int workers = 1;         // in [1, idle_set::max_workers]
  std::uint64_t seed = 1;  // of all random choices
  blocking_pool::options blocking;
  std::function<std::unique_ptr<reactor>(executor_core&)> make_reactor;  // on the worker's thread
  std::function<void(const escaped&)> on_escape;                         // default policy if empty
  // What a look that found all routines asleep leads to, on the monitor's thread or the only worker's;
  // empty: nobody looks.
  std::function<void(deadlock)> on_deadlock;
  duration deadlock_patience = std::chrono::seconds(1);  // before the first that is only likely
  bool tries_at_once = true;        // operations, before a reactor gets them; false: for its tests
  simulation* simulated = nullptr;  // it takes the workers' turns: no threads
};

/// Shutdown, in steps; each worker and thread is gone at the end:
///   1  stopping_ is set: routines started from here on begin with a stop request
///   2  every live routine is asked to stop
///   3  wait until none is live, or the deadline: then the caller names the stragglers
///   4  the monitor ends; workers are asked to exit; each drains its reactor (no operation is left) and its thread ends
///   5  the blocking pool runs what is queued and joins its threads
class executor_core {
 public:
  explicit executor_core(core_options o);
  executor_core(const executor_core&) = delete;
  executor_core& operator=(const executor_core&) = delete;
  ~executor_core();  // after stop_workers()

  /// Starts the workers' threads. Throws what making a reactor throws, with nothing left running.
  void start();

  bool is_simulated() const noexcept { return options_.simulated != nullptr; }
  /// Whether an operation may be tried before its reactor gets it: not where the simulation decides
  /// when it is done.
  bool tries_at_once() const noexcept { return options_.tries_at_once && !is_simulated(); }

  /// Steps 1 and 2.
  void request_stop_all() noexcept;
  /// Steps 1 to 3. Returns: whether no routine is live.
  bool stop_routines(time_point deadline);
  /// Steps 4 and 5, after the last routines that were started meanwhile. Requires: no routine was live.
  void stop_workers() noexcept;

  // --- any thread

  /// A thread that starts a routine from outside the workers: they are there until it has left.
  class visit;

  /// Makes a routine runnable from outside its workers.
  void inject(routine& r) noexcept;
  /// Appends a chain to the injection queue and wakes a worker if one should be.
  void inject(routine* first, routine* last, std::size_t n) noexcept;
  /// After a push to a stealable queue: wakes a worker unless somebody searches.
  void notify() noexcept;

  /// Whether a queue that any worker may take from holds a routine.
  bool has_stealable_work() const noexcept;

  time_point now() const noexcept;
  bool is_stopping() const noexcept {
    return stopping_.load(
        std::memory_order_seq_cst);  // seq_cst: pairs with stop_routines() [X1] [A1]
  }
  /// Routines live now. Exact when it reads 0.
  std::uint64_t live() const noexcept;

  /// Routines of this executor have ended, and the worker that counted them has nothing to run: has a
  /// waiting stop_routines() look again.
  void routines_ended() noexcept;

  /// Holds all workers of all executors still, calls f(), lets go. One that is inside a routine's code
  /// is waited for up to 10 ms, and then left alone, with that routine; f sees the other routines in
  /// states that stay. `still`: false if a worker has been on its way for a second (it may have no CPU,
  /// or be dead): frames must not be looked at then.
  /// One at a time in the process; executors are neither made nor ended meanwhile.
  static void while_all_paused(const std::function<void(bool still)>& f);
  /// The same, unless somebody else does it now: for workers outside routines, whom that one waits for. And
  /// unless `worth` says no, before anybody is held still. `all`: the executors of the process.
  static void try_while_all_paused(
      const std::function<bool(const std::vector<executor_core*>& all)>& worth,
      const std::function<void(bool still, const std::vector<executor_core*>& all)>& f);

  const std::vector<std::unique_ptr<worker>>& workers() const noexcept { return workers_; }
  const core_options& options() const noexcept { return options_; }

  /// Calls f for all executors of the process, under the lock of their list.
  static void for_each(const std::function<void(executor_core&)>& f);

  /// Where ThreadSanitizer finds what all routines have done until they last waited, or ended: for who
  /// knows that none runs (base/fibre.hpp). No atomic's address, lest that order routines, too.
  const void* routines_done() const noexcept { return &options_; }

  // --- shared by the workers

  idle_set idle;
  inject_queue injected;
  blocking_pool blocking;
  monitor watch{*this};
  deadlock_watch deadlocks{*this};

  atomic<std::uint64_t> foreign_spawned{0};  // routines started by foreign threads
  atomic<std::uint64_t> foreign_pushes{0};   // times a foreign thread made routines runnable

 private:
  class pause_guard;

  static void while_paused(const std::vector<executor_core*>& all,
                           const std::function<void(bool still)>& f);

  bool await_routines(time_point deadline) noexcept;
  void join_workers() noexcept;
  void request_pause() noexcept;
  bool await_pause(time_point hogs_until, time_point until) noexcept;
  void end_pause() noexcept;

  core_options options_;
  std::vector<std::unique_ptr<worker>> workers_;  // immutable once started
  atomic<bool> stopping_{false};                  // [X1]
  atomic<std::uint32_t> visitors_{0};             // threads inside inject(), or a visit [V1] [V2]
  atomic<bool> closed_{false};                    // nothing runs here any more [V2]
  atomic<std::uint32_t> ended_{0};                // futex: bumped while stopping [X2]
};

class executor_core::visit : immovable {
 public:
  /// Null: a visit to nobody.
  explicit visit(executor_core* ex) noexcept : ex_(ex) {
    // seq_cst, both: a visitor, then a look; pairs with stop_workers() [V2]
    if (ex_ == nullptr) return;
    ex_->visitors_.fetch_add(1, std::memory_order_seq_cst);
    refused_ = ex_->closed_.load(std::memory_order_seq_cst);
  }
  ~visit() {
    if (ex_ == nullptr) return;
    ex_->visitors_.fetch_sub(1,
                             std::memory_order_release);  // release: pairs with stop_workers() [V1]
  }
  /// Whether the executor runs nothing more.
  bool is_refused() const noexcept { return refused_; }

 private:
  executor_core* const ex_;
  bool refused_ = false;
};

}  // namespace sluice::detail
