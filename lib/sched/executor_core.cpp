// SPDX-License-Identifier: MIT
#include "sched/executor_core.hpp"

#include <sluice/detail/base/assert.hpp>

#include "base/asymmetric.hpp"
#include "base/futex.hpp"
#include "sched/cancel_node.hpp"
#include "sched/wait.hpp"

#include <algorithm>
#include <mutex>

#include <sched.h>

namespace sluice::detail {

namespace {

/// All executors of the process, for dumps.
struct registry {
  std::mutex mu;
  std::vector<executor_core*> all;  // guarded by mu

  static registry& instance() {
    static registry* const r = new registry;  // never destroyed: as routine_pool
    return *r;
  }
};

}  // namespace

executor_core::executor_core(core_options o) : blocking(o.blocking), options_(std::move(o)) {
  asymmetric_init();
  const int n = std::clamp(options_.workers, 1, idle_set::max_workers);
  idle.resize(n);
  for (int i = 0; i < n; ++i) {
    workers_.push_back(
        std::make_unique<worker>(*this, i, options_.seed + static_cast<unsigned>(i)));
  }
  registry& r = registry::instance();
  const std::lock_guard lock(r.mu);
  r.all.push_back(this);
}

executor_core::~executor_core() {
  {
    registry& r = registry::instance();
    const std::lock_guard lock(r.mu);
    std::erase(r.all, this);
  }
  // Handles may outlive their executor: what they find must not point here.
  routine_pool::instance().for_each([this](routine& r) {
    const spin_guard guard(r.join_lock);
    if (r.phase.load(std::memory_order_acquire) == routine_phase::done && r.executor == this) {
      r.executor = nullptr;
    }
  });
}

void executor_core::start() {
  struct gate {
    std::mutex mu;
    std::condition_variable changed;
    std::size_t made = 0;  // guarded by mu, as all below
    std::exception_ptr failure;
    bool open = false;
  } g;
  const auto body = [this, &g](worker& w) {
    try {
      w.io = options_.make_reactor(*this);
    } catch (...) {
      const std::lock_guard lock(g.mu);
      g.failure = std::current_exception();
    }
    {
      std::unique_lock lock(g.mu);
      ++g.made;
      g.changed.notify_all();
      g.changed.wait(lock, [&] { return g.open; });
      const bool failed = g.failure != nullptr;
      if (--g.made == 0) g.changed.notify_all();
      lock.unlock();
      if (failed) return;
    }
    w.serve();
    // The reactor stays: who asked the worker to exit may still be about to wake it.
  };
  std::size_t started = 0;
  std::exception_ptr failure;
  try {
    for (auto& w : workers_) {
      w->thread = std::thread(body, std::ref(*w));
      ++started;
    }
  } catch (...) {
    failure = std::current_exception();
  }
  {
    std::unique_lock lock(g.mu);
    g.changed.wait(lock, [&] { return g.made == started; });
    if (failure == nullptr) failure = g.failure;
    g.failure = failure;
    g.open = true;
    g.changed.notify_all();
    g.changed.wait(lock, [&] { return g.made == 0; });  // none looks at the gate any more
  }
  if (failure == nullptr) {
    watch.start();
    return;
  }
  join_workers();
  for (auto& w : workers_)
    w->io.reset();
  std::rethrow_exception(failure);
}

void executor_core::request_stop_all() noexcept {
  // Step 1. seq_cst: before the walk; a routine that is spawned after it reads the flag [X1]
  stopping_.store(true, std::memory_order_seq_cst);
  heavy_barrier();
  const routine_pool& pool = routine_pool::instance();
  pool.for_each([this](routine& r) { mark_stop(r, this); });
  heavy_barrier();
  claimed_batch woken;
  pool.for_each([&](routine& r) {
    claim_stop(r, this, woken);
    if (woken.is_full()) woken.release();
  });
}

bool executor_core::stop_routines(time_point deadline) {
  request_stop_all();
  return await_routines(deadline);
}

bool executor_core::await_routines(time_point deadline) noexcept {
  for (;;) {  // step 3
    // acquire: pairs with routines_ended() [X2]
    const std::uint32_t seen = ended_.load(std::memory_order_acquire);
    if (live() == 0) return true;
    const time_point t = now();
    if (t >= deadline) return false;
    std::int64_t most = deadline == time_point::max() ? -1 : (deadline - t).count();
    if (!asymmetric_available()) {
      // Without a barrier a routine's end and our flag may miss each other: look again now and then.
      constexpr std::int64_t now_and_then = 10'000'000;  // ns
      most = most < 0 ? now_and_then : std::min(most, now_and_then);
    }
    futex_wait(ended_, seen, most);
  }
}

void executor_core::stop_workers() noexcept {
  // seq_cst, both: closed, then a look for visitors; pairs with visit [V2]. What they did is seen [V1].
  closed_.store(true, std::memory_order_seq_cst);
  while (visitors_.load(std::memory_order_seq_cst) != 0)
    ::sched_yield();
  static_cast<void>(
      await_routines(time_point::max()));  // what they have started ends at its first wait
  watch.stop();                            // step 4
  for (auto& w : workers_) {
    if (w->thread.joinable()) w->request(attention_exit);
  }
  join_workers();
  for (auto& w : workers_)
    end_contexts(w->timers.clear(), errc::canceled);
  blocking.stop();  // step 5
  for (auto& w : workers_)
    w->io.reset();  // after the pool, whose threads may send operations home
}

void executor_core::join_workers() noexcept {
  for (auto& w : workers_) {
    if (w->thread.joinable()) w->thread.join();
  }
}

void executor_core::inject(routine& r) noexcept {
  inject(&r, &r, 1);
}

void executor_core::inject(routine* first, routine* last, std::size_t n) noexcept {
  const worker_scope as_worker;
  // The routines are live, so the executor is there; once they are pushed they may end, and it may go:
  // it waits for its visitors.
  // relaxed: the push orders it before the routines' end
  visitors_.fetch_add(1, std::memory_order_relaxed);
  foreign_pushes.fetch_add(n, std::memory_order_relaxed);  // relaxed: a figure for stats
  injected.push(first, last, n);
  notify();
  visitors_.fetch_sub(1, std::memory_order_release);  // release: pairs with stop_workers() [V1]
}

void executor_core::notify() noexcept {
  if (!idle.should_wake()) return;
  const int sleeper = idle.pick();
  if (sleeper < 0) return;
  if (worker* w = current_worker()) w->count.wakes.add();
  workers_[static_cast<std::size_t>(sleeper)]->notify();
}

bool executor_core::has_stealable_work() const noexcept {
  if (!injected.empty()) return true;
  return std::any_of(workers_.begin(), workers_.end(),
                     [](const auto& w) { return w->has_stealable(); });
}

time_point executor_core::now() const noexcept {
  return is_simulated() ? options_.simulated->now() : monotonic_now();
}

std::uint64_t executor_core::live() const noexcept {
  // Ends first, then starts: each end that is counted has its start counted, so that equality means
  // that at the moment in between none was live.
  std::uint64_t finished = 0;
  for (const auto& w : workers_)
    finished += w->count.finished.load();
  std::uint64_t started = foreign_spawned.load(std::memory_order_acquire);  // acquire: [K1]
  for (const auto& w : workers_)
    started += w->count.spawned.load();
  if (started == finished) tsan_acquire(routines_done());  // pairs with worker::finish()
  return started - finished;
}

void executor_core::routines_ended() noexcept {
  if (!is_stopping()) [[likely]] {
    return;
  }
  ended_.fetch_add(1, std::memory_order_release);  // release: pairs with stop_routines() [X2]
  futex_wake_all(ended_);
}

void executor_core::request_pause() noexcept {
  for (auto& w : workers_) {
    // Seen by the worker before it runs another routine. One that is parked stays where it is: it
    // need not be woken to hold still.
    w->attention_.fetch_or(attention_pause, std::memory_order_seq_cst);  // seq_cst: [A3]
  }
}

namespace {

/// Whether a worker that was asked to pause holds still.
bool is_still(const worker& w) noexcept {
  if (&w == current_worker()) return true;  // its routine is the one that asks
  // seq_cst, all three: after the request; pairs with park(), serve() and hold_still() [A3] [W2] [W4]
  if (w.state.load(std::memory_order_seq_cst) == worker_state::parked) return true;
  if (!w.serving.load(std::memory_order_seq_cst)) return true;
  return w.paused.load(std::memory_order_seq_cst) != 0;
}

bool is_in_routine(const worker& w) noexcept {
  return w.ticks.load(std::memory_order_seq_cst) % 2 != 0;  // seq_cst: after the request [W4]
}

}  // namespace

bool executor_core::await_pause(time_point hogs_until, time_point until) noexcept {
  for (auto& w : workers_) {
    while (!is_still(*w)) {
      const time_point t = monotonic_now();
      if (t >= hogs_until && is_in_routine(*w)) break;  // it leaves all other routines alone
      if (t >= until) return false;
      futex_wait(w->paused, 0, 200'000);
    }
  }
  return true;
}

void executor_core::end_pause() noexcept {
  for (auto& w : workers_)
    w->withdraw(attention_pause);
}

/// Ends the pause on every way out of while_paused().
class executor_core::pause_guard {
 public:
  explicit pause_guard(const std::vector<executor_core*>& all) noexcept : all_(all) {
    for (executor_core* ex : all_)
      ex->request_pause();
  }
  pause_guard(const pause_guard&) = delete;
  pause_guard& operator=(const pause_guard&) = delete;
  ~pause_guard() {
    for (executor_core* ex : all_)
      ex->end_pause();
  }

 private:
  const std::vector<executor_core*>& all_;
};

void executor_core::while_all_paused(const std::function<void(bool still)>& f) {
  registry& r = registry::instance();
  const std::lock_guard lock(r.mu);
  while_paused(r.all, f);
}

void executor_core::try_while_all_paused(
    const std::function<bool(const std::vector<executor_core*>& all)>& worth,
    const std::function<void(bool still, const std::vector<executor_core*>& all)>& f) {
  registry& r = registry::instance();
  const std::unique_lock lock(r.mu, std::try_to_lock);
  if (!lock.owns_lock() || !worth(r.all)) return;
  while_paused(r.all, [&](bool still) { f(still, r.all); });
}

void executor_core::while_paused(const std::vector<executor_core*>& all,
                                 const std::function<void(bool still)>& f) {
  std::vector<executor_core*> threaded;  // a simulated one holds still while this thread is here
  std::copy_if(all.begin(), all.end(), std::back_inserter(threaded),
               [](const executor_core* ex) { return !ex->is_simulated(); });
  constexpr duration patience_with_hogs = std::chrono::milliseconds(10);
  // Outside routines a worker comes by in microseconds, unless it is kept from its CPU, or dead.
  constexpr duration patience = std::chrono::seconds(1);
  const pause_guard paused(threaded);
  heavy_barrier();  // between the requests and the looks at the workers' ticks [W4] [A1]
  const time_point began = monotonic_now();
  bool still = true;
  for (executor_core* ex : threaded) {
    still = ex->await_pause(began + patience_with_hogs, began + patience) && still;
  }
  f(still);
}

void executor_core::for_each(const std::function<void(executor_core&)>& f) {
  registry& r = registry::instance();
  const std::lock_guard lock(r.mu);
  for (executor_core* ex : r.all)
    f(*ex);
}

}  // namespace sluice::detail
