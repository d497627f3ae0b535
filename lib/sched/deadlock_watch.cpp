// SPDX-License-Identifier: MIT
// The looks, cheapest first. The order of the steps in examine() is part of the argument (HACKING.md,
// "Deadlock").
#include "sched/deadlock_watch.hpp"

#include "base/threads.hpp"
#include "sched/executor_core.hpp"
#include "sched/external_source.hpp"

#include <algorithm>
#include <numeric>

#include <signal.h>

namespace sluice::detail {

namespace {

#if defined(SLUICE_TSAN)
constexpr int detector_threads = 1;  // the race detector's own
#else
constexpr int detector_threads = 0;
#endif

/// Whether the program has a handler of its own for a signal that may still come, on whatever thread.
bool handles_signals() noexcept {
  for (int s = 1; s <= SIGRTMAX; ++s) {
    switch (s) {
      case SIGSEGV:
      case SIGBUS:
      case SIGFPE:
      case SIGILL:
      case SIGTRAP:
      case SIGSYS:
      case SIGABRT:  // by what runs, and nothing does
      case SIGPROF:
        continue;
      default:
        break;
    }
    struct sigaction is{};
    if (::sigaction(s, nullptr, &is) != 0) continue;  // the C library's own
    if ((is.sa_flags & SA_SIGINFO) != 0) return true;
    // relaxed: a constant
    if (is.sa_handler != SIG_DFL && is.sa_handler != SIG_IGN &&
        is.sa_handler != external_handler.load(std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

/// What a routine's record says of it while all workers hold still.
enum class stance : unsigned char {
  asleep,  // it waits, or it is one that its group holds back, and that nobody has run yet
  awake,   // it runs, could, or is being woken
};

stance stance_of(const routine& r, const routine_facts& f) noexcept {
  const unseen_scope unseen;  // as dumps
  switch (f.state) {
    case claim_word::armed:
    case claim_word::pinned:
      return stance::asleep;
    case claim_word::claimed:
      return r.hop == nullptr ? stance::asleep : stance::awake;
    case claim_word::running:
    case claim_word::stopping:
      break;
  }
  return stance::awake;
}

}  // namespace

bool deadlock_watch::is_on() const noexcept {
  return static_cast<bool>(ex_.options().on_deadlock);
}

time_point deadlock_watch::next_look(time_point now) noexcept {
  if (!is_on() || !may_be_stuck() || ex_.live() == 0) return time_point::max();
  const std::uint64_t n = resumed();
  if (n != resumed_) {
    resumed_ = n;
    looks_ = 0;
    due_ = now + first_after;
  }
  return looks_ < 2 ? due_ : time_point::max();
}

void deadlock_watch::look(const worker* self, time_point now) noexcept {
  if (patience_ == duration::zero()) patience_ = ex_.options().deadlock_patience;
  due_ = now + patience_;
  const bool first = ++looks_ == 1;
  try {
    const deadlock found = examine(self);
    if (found == deadlock::none || (first && found == deadlock::likely)) return;
    patience_ *= 2;
    looks_ = 2;
    ex_.options().on_deadlock(found);
  } catch (...) {
    // Want of memory: nothing is known.
  }
}

/// Whether nothing is pending, as far as is seen without a lock.
bool deadlock_watch::may_be_stuck() const noexcept {
  if (ex_.is_stopping() || has_external_source()) return false;
  return std::all_of(ex_.workers().begin(), ex_.workers().end(), [](const auto& w) {
    // relaxed: a hint; are_parked() makes sure
    return w->quiet.load(std::memory_order_relaxed) != 0 && w->timers.next() == time_point::max();
  });
}

deadlock deadlock_watch::examine(const worker* self) {
  if (!may_be_stuck() || !are_parked(self, false)) return deadlock::none;
  const auto& all = ex_.workers();
  if (std::any_of(all.begin(), all.end(), [](const auto& w) { return w->timers.has_deadlines(); }))
    return deadlock::none;
  const auto jobs = ex_.blocking.count();
  if (jobs.queued != 0 || jobs.running != 0) return deadlock::none;
  // acquire: pairs with set_main() [Y2]
  const std::uint64_t main_id = main_.load(std::memory_order_acquire);
  const bool alone = main_id != 0 && is_alone();
  if (!alone && looks_ == 1) return deadlock::none;
  if (ex_.has_stealable_work()) return deadlock::none;
  const deadlock found = walk(alone ? main_id : 0);
  return are_parked(self, true) ? found : deadlock::none;
}

/// Looks at every routine of the process. `main_id`: 0 if other threads are there.
deadlock deadlock_watch::walk(std::uint64_t main_id) {
  bool all_asleep = false;
  bool others = true;
  bool main_waits = false;
  const auto may_be = [this](const std::vector<executor_core*>& all) {
    return std::all_of(all.begin(), all.end(), [this](const executor_core* ex) {
      return ex == &ex_ || ex->live() == 0 ||
             (ex->deadlocks.may_be_stuck() && ex->blocking.count().running == 0);
    });
  };
  executor_core::try_while_all_paused(may_be, [&](bool still, const auto& all) {
    if (!still) return;
    others = all.size() > 1;
    all_asleep = may_be(all);
    routine_pool::instance().for_each([&](const routine& r) {
      routine_facts f;
      if (!read_facts(r, f) || f.phase != routine_phase::live) return;
      if (stance_of(r, f) == stance::awake) all_asleep = false;
      if (f.id == main_id) main_waits = true;
    });
  });
  if (!all_asleep) return deadlock::none;
  return main_waits && !others ? deadlock::certain : deadlock::likely;
}

/// Whether all other workers are parked with nothing in flight, and, on a second look, have been since
/// the first one.
bool deadlock_watch::are_parked(const worker* self, bool again) noexcept {
  const auto& all = ex_.workers();
  if (!again) marks_.resize(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const worker& w = *all[i];
    // seq_cst: a note that came before this look shows; pairs with park() and notify() [A3] [Y1]
    const worker_state s = w.state.load(std::memory_order_seq_cst);
    if (s != (&w == self ? worker_state::awake : worker_state::parked)) return false;
    if (&w == self && !w.has_nothing()) return false;
    // acquire: the looks in between are made in between [Y1]
    const std::uint32_t mark = w.quiet.load(std::memory_order_acquire);
    if (mark == 0 || (again && mark != marks_[i])) return false;
    marks_[i] = mark;
  }
  return true;
}

/// The threads of this executor, the one that called run(), and those that tell of signals.
int deadlock_watch::own_threads() const {
  const int workers = static_cast<int>(ex_.workers().size());
  const int monitors = workers > 1 ? 1 : 0;
  const int jobs = static_cast<int>(ex_.blocking.count().threads);
  // relaxed: see external_thread
  const int tellers = external_threads.load(std::memory_order_relaxed);
  return workers + monitors + jobs + tellers + 1 + detector_threads;
}

/// Whether they are all that the process has, and nothing runs on one of them that is not ours.
bool deadlock_watch::is_alone() const {
  const int ours = own_threads();
  // Once more behind it: a thread of the program's may have taken the place of one that has left.
  return count_threads(ours) == ours && own_threads() == ours && !handles_signals();
}

std::uint64_t deadlock_watch::resumed() const noexcept {
  const auto& all = ex_.workers();
  return std::accumulate(
      all.begin(), all.end(), std::uint64_t{0},
      [](std::uint64_t n, const auto& w) { return n + w->count.resumed.load(); });
}

}  // namespace sluice::detail
