// SPDX-License-Identifier: MIT
// A worker's life: find, run, park. The parking protocol is argued in HACKING.md.
// Longer than 400 lines: the steps of one loop, which are read together.
#include "sched/worker.hpp"

#include <sluice/error.hpp>

#include "base/asymmetric.hpp"
#include "base/futex.hpp"
#include "sched/cancel_node.hpp"
#include "sched/executor_core.hpp"
#include "sched/wait.hpp"

#include <algorithm>

#include <pthread.h>
#include <signal.h>

namespace sluice::detail {

namespace {

// 61: prime, so that the look at the shared queue and the reactor does not lock step with a loop of
// routines (Go proc.go).
constexpr std::uint32_t fairness_ticks = 61;
// A look at the clock costs 25 ns: one in 16 routines is below 2 ns each. Where routines run for
// long, so that 16 take longer than poll_every, it comes sooner: look_at_clock().
constexpr std::uint32_t clock_ticks = 16;
// A completion waits for at most this long behind short routines.
constexpr duration poll_every = std::chrono::microseconds(50);
// A chain of hand-offs may run this often before the queue gets a turn: long enough that ping-pong
// stays on its core, short enough that others wait for a few microseconds.
constexpr std::uint32_t next_in_a_row_most = 16;
// A wake costs the sender 7-15 us and the sleeper 15-40 us where the CPU has halted; spinning pays
// where parks are shorter than that.
constexpr duration spin_for = std::chrono::microseconds(10);
constexpr duration spin_if_below = std::chrono::microseconds(50);
constexpr int steal_rounds = 2;

constexpr time_point at_once = time_point::min();

void prepare_thread(int index) noexcept {
  sigset_t all;
  ::sigfillset(&all);
  for (const int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGPROF}) {
    ::sigdelset(&all, own);
  }
  // All but a thread's own faults and a profiler's ticks belong to the program's other threads.
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  char name[16] = "sluice-";
  int at = 7;
  for (int d = 100; d >= 1; d /= 10) {
    if (index >= d || d == 1) name[at++] = static_cast<char>('0' + index / d % 10);
  }
  ::pthread_setname_np(::pthread_self(), name);
}

}  // namespace

worker::worker(executor_core& executor, int i, std::uint64_t seed)
    : worker_identity{executor, i}, rng(seed) {}

worker::~worker() = default;

// ---- find

void worker::serve() {
  set_current_worker(this);
  prepare_thread(index);
  now = ex.now();
  serving.store(true, std::memory_order_seq_cst);  // seq_cst: before the look at attention [W4]
  while (routine* r = next())
    run(*r);
  serving.store(false, std::memory_order_release);  // release: pairs with is_still() [W4]
  drain();
  set_current_worker(nullptr);
}

routine* worker::next() {
  for (;;) {
    if (!serve_attention()) return nullptr;
    if (routine* r = find(true)) return r;
    park();
  }
}

routine* worker::take_turn() {
  serve_attention();
  now = ex.now();
  routine* r = find(true);
  if (std::exchange(searching_, false)) static_cast<void>(ex.idle.end_search());
  return r;
}

routine* worker::find(bool may_search) {
  ++tick_;
  if (tick_ % fairness_ticks == 0) {
    poll_point();
    if (routine* r = ex.injected.pop(1)) return found(r);
  } else if (--until_look_ == 0) {
    look_at_clock();
  }
  if (routine* r = take_local()) return found(r);
  if (routine* r = take_injected()) return found(r);
  if (io->ready() || (timers.next() != time_point::max() && timers.next() <= ex.now())) {
    poll_point();
    if (routine* r = take_local()) return found(r);
  }
  if (!may_search) return nullptr;
  tell_of_ends();
  routine* r = search();
  return r != nullptr ? found(r) : nullptr;
}

/// Where routines have ended since it was told. Not for each: who stops the executor waits for the last
/// one, and the worker that ends it finds nothing more to run.
void worker::tell_of_ends() noexcept {
  const std::uint64_t ended = count.finished.load();
  if (std::exchange(told_, ended) != ended) ex.routines_ended();
}

routine* worker::found(routine* r) noexcept {
  woken_ = false;
  if (searching_) {
    searching_ = false;
    // The last searcher to leave wakes another: what was pushed while it searched woke nobody.
    if (ex.idle.end_search()) ex.notify();
  }
  return r;
}

routine* worker::take_local() noexcept {
  if (next_in_a_row_ < next_in_a_row_most && !run_next_.empty()) {
    ++next_in_a_row_;
    if (routine* r = run_next_.exchange(nullptr)) return r;
  }
  next_in_a_row_ = 0;
  if (routine* r = queue_.pop()) return r;
  return run_next_.empty() ? nullptr : run_next_.exchange(nullptr);
}

routine* worker::take_injected() noexcept {
  const std::size_t waiting = ex.injected.size();
  if (waiting == 0) return nullptr;
  const std::size_t share = waiting / ex.workers().size() + 1;
  routine* first = ex.injected.pop(std::min<std::size_t>(share, ready_queue::capacity / 2));
  if (first == nullptr) return nullptr;
  routine* r = std::exchange(first->next, nullptr);
  if (r == nullptr) return first;
  while (r != nullptr) {
    routine* following = std::exchange(r->next, nullptr);
    if (!queue_.push(r)) overflow(*r);
    r = following;
  }
  // Between the two queues they were nowhere to be seen: a worker may have parked meanwhile.
  ex.notify();
  return first;
}

routine* worker::search() noexcept {
  if (ex.workers().size() == 1) return nullptr;
  if (!searching_) {
    if (!ex.idle.begin_search()) return nullptr;
    searching_ = true;
  }
  for (int round = 0; round < steal_rounds; ++round) {
    if (routine* r = steal_once()) return r;
  }
  return usual_park_ < spin_if_below && !ex.is_simulated() ? spin() : nullptr;
}

routine* worker::steal_once() noexcept {
  const auto& all = ex.workers();
  const auto n = static_cast<std::uint32_t>(all.size());
  const std::uint32_t start = rng.below(n);
  for (std::uint32_t i = 0; i < n; ++i) {
    worker& victim = *all[(start + i) % n];
    if (&victim == this) continue;
    std::uint32_t taken = 0;
    if (routine* r = victim.queue_.steal(queue_, taken)) {
      count.steals.add();
      count.stolen.add(taken);
      return r;
    }
  }
  return take_injected();
}

routine* worker::spin() noexcept {
  if (io->ready()) poll_point();  // submits what is pending: it shall not wait for us
  if (routine* r = take_local()) return r;
  const time_point until = ex.now() + spin_for;
  while (ex.now() < until) {
    for (int i = 0; i < 8; ++i) {
      if (routine* r = steal_once()) return r;
      cpu_relax();
    }
    // relaxed: only a hint to look at once
    if (attention_.load(std::memory_order_relaxed) != 0) return nullptr;
    if (io->ready()) {
      poll_point();
      if (routine* r = take_local()) return r;
    }
  }
  return nullptr;
}

void worker::poll_point() noexcept {
  in_poll_ = true;
  if (io->ready()) io->poll(at_once);
  now = ex.now();
  expire_timers();
  in_poll_ = false;
  if (queue_.size() + (run_next_.empty() ? 0u : 1u) > 1) ex.notify();
}

/// Polls if the last poll is long ago. Looks again when, at the pace of late, poll_every will be over;
/// after at most twice as many routines as this time, since a short one may stand between long ones.
void worker::look_at_clock() noexcept {
  const time_point t = ex.now();
  const duration took = std::max(t - std::exchange(looked_, t), duration(1));
  const duration::rep in_time = poll_every * look_every_ / took;
  const duration::rep most = std::min(look_every_ * 2, clock_ticks);
  look_every_ = static_cast<std::uint32_t>(std::clamp<duration::rep>(in_time, 1, most));
  until_look_ = look_every_;
  if (t - now > poll_every) poll_point();
}

void worker::expire_timers() noexcept {
  const due_timers due = timers.expire(now);
  routine* r = due.routines;
  // The one that is due longest is next, for it has waited already, unless a hand-over is under way;
  // others wait for their turn, lest a storm of timers keep out all else.
  if (r != nullptr && run_next_.empty()) {
    routine* following = std::exchange(r->next, nullptr);
    push_next(*r);
    r = following;
  }
  while (r != nullptr) {
    routine* following = std::exchange(r->next, nullptr);
    push_back(*r);
    r = following;
  }
  end_contexts(due.contexts, errc::deadline_exceeded);
}

// ---- run

void worker::run(routine& r) {
  count.resumed.add();
  r.claim.run();
  enter_routine();
  tsan_forget({&r.next, sizeof r.next});  // the queues', which nothing orders with the routine
  const void* const done = ex.routines_done();
  {
    const routine_scope as_routine(r.fibre, desk());
    // Not before: who has the workers hold still reads it of routines that were claimed when it looked.
    r.hop = this;
    run_once(r);
    tsan_release(done);  // pairs with the simulation
  }
  leave_routine();
}

/// What routines' code touches as it is: the trampoline, and what stands behind it.
own_memory worker::desk() const noexcept {
  const auto* const first = reinterpret_cast<const char*>(static_cast<const trampoline*>(this));
  const auto* const last = reinterpret_cast<const char*>(&current + 1);
  return {first, static_cast<std::size_t>(last - first)};
}

/// From here on, who asks the worker to hold still does not wait for it, and leaves the routine that
/// it runs alone.
void worker::enter_routine() noexcept {
  // relaxed: only the owner writes it
  const std::uint64_t even = ticks.load(std::memory_order_relaxed);
  for (;;) {
    // The odd tick first, then a look for requests; who asks for a pause passes a heavy barrier between
    // the request and the look at the tick: one of the two sees the other [W4] [A1].
    light_store(ticks, even + 1);
    if ((light_load(attention_) & attention_pause) == 0) [[likely]] {
      return;
    }
    ticks.store(even, std::memory_order_release);  // release: as in leave_routine() [W4]
    hold_still();
  }
}

void worker::leave_routine() noexcept {
  // relaxed: only the owner writes it; release: pairs with is_in_routine() [W4]
  ticks.store(ticks.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

namespace {

/// Whether a routine that is to be unwound if it was asked to stop was not asked. Who cancels a context
/// may have come as far as the routine that was joined, and not to this one.
bool spared(routine& r) noexcept {
  if (!std::exchange(r.unwinding_if_asked, false) || r.must_stop()) return false;
  const spin_guard guard(r.join_lock);
  if (is_stop_due(r)) return false;
  r.unwinding = false;
  return true;
}

}  // namespace

bool worker::obeys_stop(const routine& r, const result_kind& kind,
                        std::coroutine_handle<> frame) const noexcept {
  const bool shielded = r.within != nullptr && r.within->is_shielded();
  if (!r.must_stop() && (shielded || !ex.is_stopping())) return false;
  const std::exception_ptr e = kind.exception(frame);
  if (e == nullptr) return false;
  try {
    std::rethrow_exception(e);
  } catch (const stopped_error&) {
    return true;
  } catch (...) {
    return false;
  }
}

void worker::run_once(routine& r) {
  current = &r;
  end = verdict::parked;
  std::coroutine_handle<> frame = first_frame(r);
  for (;;) {
    if (!frame) return;
    routine& last = run_frames(frame);
    current = nullptr;
    switch (end) {
      case verdict::parked:  // somebody else may run it already
      case verdict::forked:
        return;
      case verdict::finished:
        return finish(last, false);
      case verdict::yielded:
        last.claim.make_runnable();
        return push_yielded(last);
      case verdict::stopped:
        current = &last;
        frame = stop_running(last);
    }
  }
}

/// The frame to begin with. Null: the routine waits again, or has ended.
std::coroutine_handle<> worker::first_frame(routine& r) {
  awaits_left = awaits_in_a_turn;
  if (r.at_fork) {
    r.at_fork = false;
    r.unwinding = false;  // it passes the stop on to its children, and waits for them
    const std::coroutine_handle<> frame = go_on_with_fork(r);
    if (frame) return frame;
    if (end == verdict::stopped) return stop_running(r);
    current = nullptr;
    return nullptr;
  }
  if (r.unwinding && !spared(r)) [[unlikely]] {
    if (r.wait->kind->abandon != nullptr) r.wait->kind->abandon(*r.wait);
    if (std::exchange(r.unwinding, false)) return stop_running(r);
  }
  return r.leaf;
}

/// Resumes frame after frame until one waits, ends or refuses to wait, or the routine's turn is over:
/// an await of a task that does not wait spends it, too. Returns: the routine that runs then: the one that
/// began, or a child that has split off from it; in a state as `end` says.
routine& worker::run_frames(std::coroutine_handle<> frame) {
  for (;;) {
    trampoline::next = nullptr;
    frame.resume();
    frame = trampoline::next;
    if (!frame) {
      // Parked: somebody else may run it already, and have it fork.
      const bool at_end_of_child = end == verdict::finished && current->inner != nullptr;
      if (end != verdict::forked && !at_end_of_child) return *current;
      frame = go_on_with_fork(*current);
      if (!frame) return *current;
    }
    if (--awaits_left != 0 || !ends_turn()) [[likely]] {
      continue;
    }
    current->leaf = frame;
    end = verdict::yielded;
    return *current;
  }
}

bool worker::ends_turn() noexcept {
  const worker_scope as_worker;
  awaits_left = awaits_in_a_turn;
  if (ex.is_simulated()) return true;
  if (io->ready() || (timers.next() != time_point::max() && timers.next() <= ex.now())) {
    tick_ = fairness_ticks - 1;  // the next find() polls
    return true;
  }
  // relaxed: a hint; a request that is missed is found a turn later
  return attention_.load(std::memory_order_relaxed) != 0 || !run_next_.empty() || !queue_.empty() ||
         !ex.injected.empty();
}

/// Unwinds a routine up to the boundary where it goes on. Returns: the frame that does; null: it has ended.
std::coroutine_handle<> worker::stop_running(routine& r) noexcept {
  end = verdict::parked;  // what a frame that goes on has done, unless it says so
  while (unwind(r, r.within)) {
    boundary& b = *r.within;
    if (b.stop()) return b.caller->frame();
    r.leaf = b.caller->frame();
  }
  current = nullptr;
  finish(r, true);
  return nullptr;
}

void worker::finish(routine& r, bool stopped) noexcept {
  if (r.branch != nullptr) return finish_branch(r, stopped);
  if (!stopped && obeys_stop(r, *r.kind, r.root.child)) {
    std::exchange(r.root.child, nullptr).destroy();
    stopped = true;
  }
  r.stopped = stopped;
  if (r.node != nullptr) [[unlikely]] {
    if (stopped) {
      quit_context(r);  // who joins it asks for the cause
    } else {
      leave_context(r);
    }
  }
  routine_group* group = nullptr;
  if (r.kind->report != nullptr) [[unlikely]] {
    group = end_in_group(r);
  }
  r.fibre.end();
  // acquire: as in release_routine() [R1]
  if (r.refs.load(std::memory_order_acquire) == 1) {
    destroy_routine(r);  // without a handle, nobody waits for it, or will
  } else {
    finish_joinable(r, stopped);
  }
  tsan_release(ex.routines_done());  // pairs with live()
  const worker_scope as_worker;
  if (stopped) count.stopped.add();
  count.finished.add();
  if (group != nullptr) group->one_ended();
}

/// Of a routine that has, or had just now, a handle.
void worker::finish_joinable(routine& r, bool stopped) noexcept {
  routine* joiner = nullptr;
  std::uint32_t before;
  bool unreferenced;
  {
    const spin_guard guard(r.join_lock);
    r.phase.store(routine_phase::done, std::memory_order_relaxed);  // relaxed: read under join_lock
    // Before `finished`: where there is a handle, its side frees the frames and the arguments, and
    // does so before a join is over. acq_rel: as in release_routine() [R1]
    unreferenced = r.refs.fetch_sub(1, std::memory_order_acq_rel) == 1;
    // acq_rel: release: the result is seen by who finds it finished [J1]
    before = r.finished.exchange(1, std::memory_order_acq_rel);
    if (r.joiner != nullptr) {
      routine& waiter = r.joiner->owner();
      if (waiter.claim.claim_armed()) {
        joiner = &waiter;
        // A join is a boundary: a stop of what was joined stops the joiner if it was asked to, too.
        waiter.unwinding = waiter.unwinding_if_asked = stopped;
      }
      r.joiner = nullptr;
    }
  }
  if (before == 2) futex_wake_all(r.finished);
  if (joiner != nullptr) make_runnable(*joiner);
  if (unreferenced) destroy_routine(r);
}

/// Nobody has its result: what is left of the routine goes before its group hears that it is gone.
routine_group* worker::end_in_group(routine& r) noexcept {
  start_box* box = std::exchange(r.box, nullptr);
  routine_group* group = box->group;
  const std::coroutine_handle<> root = std::exchange(r.root.child, nullptr);
  r.kind->report(r, root, *box);
  if (root) root.destroy();
  box->drop(box);
  return group;
}

// ---- make runnable

void worker::push_next(routine& r) noexcept {
  const worker_scope as_worker;
  // The simulation takes the turns in any order that could be, not only the usual one.
  if (ex.is_simulated() && rng.below(4) == 0) [[unlikely]] {
    return push_back(r);
  }
  routine* before = run_next_.exchange(&r);
  if (before != nullptr) push_back(*before);
}

void worker::push_back(routine& r) noexcept {
  const worker_scope as_worker;
  if (!queue_.push(&r)) [[unlikely]] {
    overflow(r);
  }
  if (!in_poll_) ex.notify();
}

/// Behind all others: where some wait in the shared queue, behind these too. (In the run queue, which
/// yielding routines keep full, they would overtake those again and again.)
void worker::push_yielded(routine& r) noexcept {
  const worker_scope as_worker;
  if (ex.injected.empty()) [[likely]] {
    return push_back(r);
  }
  push_shared(&r, &r, 1);
}

void worker::push_shared(routine* first, routine* last, std::size_t n) noexcept {
  const worker_scope as_worker;
  ex.injected.push(first, last, n);
  ex.notify();
}

void worker::overflow(routine& r) noexcept {
  routine* half[ready_queue::capacity / 2];
  for (;;) {
    const std::uint32_t n = queue_.pop_half(half);
    if (n == 0) {
      if (queue_.push(&r)) return;  // thieves made room
      continue;
    }
    for (std::uint32_t i = 0; i + 1 < n; ++i)
      half[i]->next = half[i + 1];
    half[n - 1]->next = &r;
    count.overflows.add();
    ex.injected.push(half[0], &r, n + 1);
    return;
  }
}

// ---- attention

void worker::notify() noexcept {
  // seq_cst: after the sender's push, before its return; pairs with park() [A3]
  if (state.exchange(worker_state::notified, std::memory_order_seq_cst) == worker_state::parked) {
    io->wake();
  }
}

void worker::request(std::uint32_t bits) noexcept {
  // seq_cst: before the look at the worker's state in notify() [A3]
  attention_.fetch_or(bits, std::memory_order_seq_cst);
  notify();
}

void worker::withdraw(std::uint32_t bits) noexcept {
  attention_.fetch_and(~bits, std::memory_order_release);  // release: pairs with hold_still() [W3]
  futex_wake_all(attention_);
}

bool worker::serve_attention() noexcept {
  // seq_cst: after the worker's store of its state in park() [A3]
  const std::uint32_t asked = attention_.load(std::memory_order_seq_cst);
  if (asked == 0) [[likely]] {
    return true;
  }
  if ((asked & attention_inbox) != 0) serve_inbox();
  if ((asked & attention_pause) != 0) hold_still();
  // Exit is asked for when no routine is live: nothing can come any more.
  return (asked & attention_exit) == 0;
}

void worker::serve_inbox() noexcept {
  // acquire: cleared before the boxes are emptied; what comes later sets it again [W3]
  attention_.fetch_and(~static_cast<std::uint32_t>(attention_inbox), std::memory_order_acq_rel);
  for (operation* op = completed.take(); op != nullptr;) {
    operation* following = op->done_next;
    complete(*op, op->result);
    op = following;
  }
  for (operation* op = stops.take(); op != nullptr;) {
    operation* following = op->inbox_next;
    serve_stop(*op);
    op = following;
  }
}

void worker::hold_still() noexcept {
  paused.store(1, std::memory_order_release);  // release: pairs with is_still() [W2]
  futex_wake_all(paused);
  for (;;) {
    // acquire: pairs with withdraw() [W3]
    const std::uint32_t asked = attention_.load(std::memory_order_acquire);
    if ((asked & attention_pause) == 0) break;
    futex_wait(attention_, asked);
  }
  // seq_cst: before the next look for requests: who asks for the next pause must not take this one's
  // stillness for it [W4]
  paused.store(0, std::memory_order_seq_cst);
}

// ---- park

void worker::park() noexcept {
  if (searching_) {
    searching_ = false;
    // Not "last one wakes another": the look below is that of a parking worker, which suffices.
    static_cast<void>(ex.idle.end_search());
  }
  if (std::exchange(woken_, false)) count.spurious_wakes.add();
  ex.idle.add(index);
  // One worker has no other that pushes where it looks; foreign threads pay for their own order.
  if (ex.workers().size() > 1) heavy_barrier();
  if (ex.has_stealable_work()) {
    leave_idle(false);
    // It has seen work: the limit of searchers shall not send it around in circles.
    if (!searching_) ex.idle.join_search();
    searching_ = true;
    return;
  }
  mark_quiet();
  worker_state expected = worker_state::awake;
  // seq_cst: before the looks at attention and the injection queue that the reactor's wake() stands
  // for; pairs with notify() [A3]
  if (!state.compare_exchange_strong(expected, worker_state::parked, std::memory_order_seq_cst,
                                     std::memory_order_seq_cst)) {
    // seq_cst: taken note of; what was sent is looked for again [A3]
    state.store(worker_state::awake, std::memory_order_seq_cst);
    quiet.store(0, std::memory_order_release);  // release: as below
    return leave_idle(false);
  }
  count.parks.add();
  const time_point began = ex.now();
  const bool is_watch = ex.workers().size() == 1;  // there is no monitor
  const time_point look_at = is_watch ? ex.deadlocks.next_look(began) : time_point::max();
  in_poll_ = true;
  io->poll(std::min(timers.next(), look_at));
  in_poll_ = false;
  // seq_cst: before the next look at attention [A3]
  const bool sent =
      state.exchange(worker_state::awake, std::memory_order_seq_cst) == worker_state::notified;
  now = ex.now();
  usual_park_ += (now - began - usual_park_) / 8;
  in_poll_ = true;
  expire_timers();
  in_poll_ = false;
  if (now >= look_at && !sent) ex.deadlocks.look(this, now);
  quiet.store(0, std::memory_order_release);  // release: pairs with are_parked() [Y1]
  ex.watch.rouse();
  leave_idle(sent);
  if (queue_.size() + (run_next_.empty() ? 0u : 1u) > 1) ex.notify();
}

/// Before the state says parked. While it does, nothing can come but through notify(): what is in flight
/// here is begun by this thread only.
void worker::mark_quiet() noexcept {
  if (!ex.options().on_deadlock || io->inflight() != 0) return;
  if (++quiet_parks_ == 0) ++quiet_parks_;
  // relaxed: published by the state; pairs with are_parked() [Y1]
  quiet.store(quiet_parks_, std::memory_order_relaxed);
}

void worker::leave_idle(bool woken) noexcept {
  woken_ = woken;
  // Picked meanwhile: counted as a searcher by who picked.
  if (!ex.idle.remove(index)) searching_ = true;
}

void worker::drain() noexcept {
  while (io->inflight() != 0)
    io->poll(time_point::max());
}

}  // namespace sluice::detail
