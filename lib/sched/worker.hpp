// SPDX-License-Identifier: MIT
// A worker: one thread (or, in the simulation, one turn-taker) with its run queue, its run-next slot,
// its timers and its reactor. It finds a routine, runs it until it waits or ends, and parks when there
// is none; worker.cpp stands in that order.
#pragma once

#include "base/counters.hpp"
#include "base/fibre.hpp"
#include "base/random.hpp"
#include "sched/idle.hpp"
#include "sched/inbox.hpp"
#include "sched/reactor.hpp"
#include "sched/routine.hpp"
#include "sched/routine_pool.hpp"
#include "sched/run_next.hpp"
#include "sched/run_queue.hpp"
#include "sched/timer_heap.hpp"

#include <coroutine>
#include <cstdint>
#include <memory>
#include <thread>

namespace sluice::detail {

class executor_core;

using ready_queue = run_queue<routine>;

/// Where a worker stands with respect to sleep.
///
///   from      to        by       when
///   awake     parked    worker   its last look at the queues found nothing: it blocks in its reactor
///   awake     notified  anyone   work was sent to it before it parked: it looks again
///   parked    notified  anyone   likewise, and the sender wakes its reactor
///   notified  awake     worker   it has returned from its reactor, or has found the note
///   parked    awake     worker   its reactor returned for a reason of its own
enum class worker_state : unsigned char { awake, parked, notified };

/// What a worker is asked to see to before it runs another routine; bits of attention_.
enum attention : std::uint32_t {
  attention_inbox = 1,  // an operation has come
  attention_pause = 2,  // hold still: somebody walks the routines
  attention_exit = 4,   // leave when nothing is left to do
};

/// What a routine may await in a row that is there already, or hop from frame to frame, before others
/// that want its worker get their turn: 5 to 20 us of awaits, so that letting go (12 ns, and what the
/// caches forget) stays below 1 %, and nobody waits for longer than behind a poll (poll_every).
inline constexpr std::uint32_t awaits_in_a_turn = 1024;

/// Whose worker it is. Stands before the trampoline: see worker::desk().
struct worker_identity {
  executor_core& ex;  // immutable
  const int index;    // immutable
};

class worker final : public worker_identity, public trampoline {
 public:
  worker(executor_core& executor, int index, std::uint64_t seed);
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;
  ~worker();

  // --- the owner, and code that runs on it

  /// The thread's body: serves until asked to exit.
  void serve();

  /// One routine that can run now, or null; never blocks. `search`: look at others' queues too.
  routine* find(bool search);

  /// The simulation's find(): sees to requests first, and gives up its place as a searcher.
  routine* take_turn();
  /// Whether somebody has asked something of it that its next turn serves.
  bool has_requests() const noexcept {
    return attention_.load(std::memory_order_relaxed) !=
           0;  // relaxed: who must not miss it, asks later
  }

  /// Runs a routine until it waits or ends.
  void run(routine& r);

  /// Makes a routine runnable next here, before all others; the one that was next goes to the queue.
  void push_next(routine& r) noexcept;
  /// Makes a routine runnable here, behind all others.
  void push_back(routine& r) noexcept;
  /// Makes a chain of `n` routines, linked by `next`, runnable wherever a worker is free.
  void push_shared(routine* first, routine* last, std::size_t n) noexcept;

  /// Submits, completes and expires what is due, without blocking.
  void poll_point() noexcept;

  void finish(routine& r, bool stopped) noexcept;

  /// The routine that runs has spent its turn. Returns: whether it has to let others in; else it has
  /// another turn, for nobody waits for this worker.
  bool ends_turn() noexcept;

  // --- any thread

  /// Wakes it if it is parked, or has it look again before it parks.
  void notify() noexcept;
  /// Asks for something (bits of attention) and sees to it that the worker looks.
  void request(std::uint32_t bits) noexcept;
  void withdraw(std::uint32_t bits) noexcept;

  /// Its own thread: whether it has neither a routine nor a request.
  bool has_nothing() const noexcept {
    return queue_.empty() && run_next_.empty() && !has_requests();
  }

  bool has_stealable() const noexcept { return !queue_.empty(); }

  /// The monitor: takes the routine that is next here. Returns: it, or null.
  routine* steal_next() noexcept { return run_next_.steal(); }

  // --- state; guards: immutable | owner | its own

  time_point now{};                                 // owner: read when it last polled or parked
  routine* current = nullptr;                       // owner: the routine that runs
  std::unique_ptr<reactor> io;                      // made by the worker's thread, then immutable
  timer_heap timers;                                // its own lock
  inbox<&operation::inbox_next> stops;              // operations that are asked to stop
  inbox<&operation::done_next> completed;           // operations completed by other threads
  routine_cache cache;                              // owner
  random rng;                                       // owner
  worker_counters count;                            // written by the owner
  std::thread thread;                               // executor
  atomic<worker_state> state{worker_state::awake};  // [A3]
  // While it is parked, or about to be, and has nothing in flight: which park it is, from 1 on; else 0.
  atomic<std::uint32_t> quiet{0};   // written by the owner [Y1]
  atomic<std::uint32_t> paused{0};  // set while it holds still [W2] [W4]
  atomic<std::uint64_t> ticks{0};   // odd while a routine runs; written by the owner [W4]
  atomic<bool> serving{false};      // from the beginning to the end of serve() [W4]

 private:
  friend class executor_core;
  friend void split_off(promise_base& leaf);

  routine* next();
  routine* take_local() noexcept;
  routine* take_injected() noexcept;
  routine* search() noexcept;
  routine* steal_once() noexcept;
  routine* spin() noexcept;
  routine* found(routine* r) noexcept;
  bool serve_attention() noexcept;
  void serve_inbox() noexcept;
  void hold_still() noexcept;
  void expire_timers() noexcept;
  void look_at_clock() noexcept;
  void park() noexcept;
  void mark_quiet() noexcept;
  void leave_idle(bool woken) noexcept;
  void overflow(routine& r) noexcept;
  void run_once(routine& r);
  std::coroutine_handle<> first_frame(routine& r);
  routine& run_frames(std::coroutine_handle<> frame);
  std::coroutine_handle<> go_on_with_fork(routine& r) noexcept;  // fork.cpp, as the next ones
  fork_child* begin_next(routine& r, fork& op) noexcept;
  void drop_unbegun(routine& r, fork& op) noexcept;
  void end_running(routine& r, fork& op, fork_child& c) noexcept;
  void offer(routine& r) noexcept;
  bool wants_offers() noexcept;
  void wake_for_offers() noexcept;
  void end_stop_of(routine& r) noexcept;
  void make_branch(routine& b, fork_child& c, std::coroutine_handle<> leaf) noexcept;
  bool split_waiting(routine& r) noexcept;
  void finish_branch(routine& r, bool stopped) noexcept;
  void push_yielded(routine& r) noexcept;
  void tell_of_ends() noexcept;
  void enter_routine() noexcept;
  void leave_routine() noexcept;
  own_memory desk() const noexcept;
  /// Whether the exception that `frame` has ended with is a stop that it was told of by a join, and the
  /// routine is asked to obey itself.
  bool obeys_stop(const routine& r, const result_kind& kind,
                  std::coroutine_handle<> frame) const noexcept;
  std::coroutine_handle<> stop_running(routine& r) noexcept;
  void finish_joinable(routine& r, bool stopped) noexcept;
  routine_group* end_in_group(routine& r) noexcept;
  void drain() noexcept;

  ready_queue queue_;
  run_next_slot<routine> run_next_;
  std::uint32_t next_in_a_row_ = 0;  // owner: routines run from run_next_ since one from the queue
  std::uint32_t tick_ = 0;           // owner
  std::uint32_t look_every_ = 1;     // owner: routines between two looks at the clock
  std::uint32_t until_look_ = 1;     // owner: routines until the next one
  time_point looked_{};              // owner: the last one
  std::uint32_t begun_ = 0;          // owner: children of forks
  bool searching_ = false;           // owner: counted in idle_set
  bool in_poll_ = false;             // owner: pushes are announced once, after the poll
  bool woken_ = false;               // owner: woken and nothing found yet
  std::uint64_t told_ = 0;           // owner: of the routines that ended here
  duration usual_park_{0};           // owner: moving average
  std::uint32_t quiet_parks_ = 0;    // owner: parks with nothing in flight
  atomic<std::uint32_t> attention_{0};  // [W3]
};

/// The worker whose thread this is, or null. Never cached over a suspension.
worker* current_worker() noexcept;
void set_current_worker(worker* w) noexcept;

/// Makes a claimed or yielded routine runnable: next on this worker if it is of its executor, else
/// through the executor's injection queue.
void make_runnable(routine& r) noexcept;

/// A stop request has reached the operation's home worker.
void serve_stop(operation& op) noexcept;

}  // namespace sluice::detail
