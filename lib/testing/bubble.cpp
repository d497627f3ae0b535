// SPDX-License-Identifier: MIT
// The simulation: one thread takes the turns of all workers, in an order that the seed chooses.
//
// A step is one of, by chance while there is a choice: a worker runs a routine; an operation is
// completed. When no worker has a routine and no operation can be completed, a settled routine is
// woken; then the clock jumps to the earliest deadline; when there is none either, it is a deadlock.
#include <sluice/detail/base/assert.hpp>
#include <sluice/dump.hpp>
#include <sluice/error.hpp>
#include <sluice/testing/bubble.hpp>

#include "base/random.hpp"
#include "sched/cancel_node.hpp"
#include "sched/executor_core.hpp"
#include "sched/wait.hpp"
#include "testing/sim_reactor.hpp"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include <fmt/format.h>

namespace sluice {

testing::bubble_failure::~bubble_failure() = default;

namespace detail {

namespace {

std::uint64_t seed_of(const testing::bubble_options& o) {
  const char* asked = std::getenv("SLUICE_SEED");
  return asked != nullptr && *asked != '\0' ? std::strtoull(asked, nullptr, 0) : o.seed;
}

std::string text_of(const std::exception_ptr& e) {
  try {
    std::rethrow_exception(e);
  } catch (const std::exception& x) {
    return x.what();
  } catch (...) {
    return "not a std::exception";
  }
}

/// The thread acts as a worker while it lives.
class turn {
 public:
  explicit turn(worker& w) noexcept { set_current_worker(&w); }
  turn(const turn&) = delete;
  turn& operator=(const turn&) = delete;
  ~turn() { set_current_worker(nullptr); }
};

}  // namespace

class bubble_run::driver final : public simulation {
 public:
  explicit driver(const testing::bubble_options& o)
      : seed_(seed_of(o)), rng_(seed_), core_(make_options(o)) {
    for (auto& w : core_.workers())
      w->io = std::make_unique<sim_reactor>();
  }

  executor_core& core() noexcept { return core_; }

  time_point now() const noexcept override {
    const worker_scope as_driver;
    return now_;
  }
  void settle(wait_point& w) noexcept override {
    const worker_scope as_driver;
    settling_.push_back(&w);
  }
  void unsettle(wait_point& w) noexcept override {
    const worker_scope as_driver;
    std::erase(settling_, &w);
  }

  void drive(const routine& main_routine) {
    // relaxed: one thread
    const auto ended = [&] { return main_routine.finished.load(std::memory_order_relaxed) != 0; };
    while (!escaped_) {
      if (step()) continue;
      if (ended()) break;
      if (wake_settled() || advance()) continue;
      fail("deadlock: all routines are asleep");
    }
    if (escaped_)
      fail(fmt::format("a routine ended by an exception that nobody joins: {}", text_of(escaped_)));
    if (core_.live() != 0) fail("routines are left when the main one has ended");
  }

  /// Stops and unwinds whatever is left.
  void clear() noexcept {
    core_.request_stop_all();
    while (core_.live() != 0 && step()) {
    }
    SLUICE_ASSERT(core_.live() == 0, "bubble: a routine does not stop");
    for (const auto& w : core_.workers())
      end_contexts(w->timers.clear(), errc::canceled);  // they may outlive the heaps
  }

 private:
  core_options make_options(const testing::bubble_options& o) {
    core_options c;
    c.workers = std::max(1, o.workers);
    c.seed = seed_;
    c.simulated = this;
    c.on_escape = [this](const escaped& e) {
      tsan_release(&escaped_);
      const worker_scope as_driver;
      tsan_acquire(&escaped_);
      if (!escaped_) escaped_ = e.exception;
    };
    return c;
  }

  /// Lets one thing happen. Returns: false if nothing can without the clock.
  bool step() {
    const auto& all = core_.workers();
    const auto n = static_cast<std::uint32_t>(all.size());
    if (rng_.below(8) == 0 && complete_one()) return true;
    const std::uint32_t first = rng_.below(n);
    for (std::uint32_t i = 0; i < n; ++i) {
      worker& w = *all[(first + i) % n];
      const turn as(w);
      if (routine* r = w.take_turn()) {
        w.run(*r);
        return true;
      }
    }
    if (complete_one()) return true;
    // A deadline that has come in a turn above may have asked a worker to end an operation.
    return std::any_of(all.begin(), all.end(), [](const auto& w) { return w->has_requests(); });
  }

  bool complete_one() {
    const auto& all = core_.workers();
    const auto n = static_cast<std::uint32_t>(all.size());
    const std::uint32_t first = rng_.below(n);
    for (std::uint32_t i = 0; i < n; ++i) {
      worker& w = *all[(first + i) % n];
      const turn as(w);
      if (static_cast<sim_reactor&>(*w.io).complete_one(rng_)) return true;
    }
    return false;
  }

  bool wake_settled() {
    const std::vector<wait_point*> all = std::exchange(settling_, {});
    tsan_acquire(core_.routines_done());  // pairs with worker::run(): all that was done is before
    for (wait_point* w : all) {
      routine* r = claim(*w);
      if (r == nullptr) continue;
      r->fibre.hand_over();
      core_.inject(*r);
    }
    return !all.empty();
  }

  /// Returns: the routine to make runnable, or null.
  static routine* claim(const wait_point& w) noexcept {
    const unseen_scope unseen;
    routine& r = w.owner();
    return r.claim.claim_armed() ? &r : nullptr;
  }

  /// Jumps to the earliest deadline.
  bool advance() {
    time_point next = time_point::max();
    for (const auto& w : core_.workers())
      next = std::min(next, w->timers.next());
    if (next == time_point::max()) return false;
    now_ = std::max(now_, next);
    tsan_acquire(core_.routines_done());  // as in wake_settled(), for those whose time has come
    return true;
  }

  [[noreturn]] void fail(const std::string& what) {
    std::string text = fmt::format("bubble: {} (SLUICE_SEED={} replays it)\n", what, seed_);
    text += to_string(routines());
    throw testing::bubble_failure(text);
  }

  const std::uint64_t seed_;
  random rng_;
  time_point now_{
      std::chrono::hours(24)};  // not zero: code that takes zero for "unset" shows itself
  std::vector<wait_point*> settling_;
  std::exception_ptr escaped_;
  executor_core core_;
};

bubble_run::bubble_run(const testing::bubble_options& options) {
  if (current_worker() != nullptr) throw_panic("bubble: called inside a routine");
  driver_ = std::make_unique<driver>(options);
}

bubble_run::~bubble_run() {
  driver_->clear();
}

executor_core& bubble_run::core() noexcept {
  return driver_->core();
}

void bubble_run::drive(const routine_ref& main_routine) {
  driver_->drive(*main_routine.get());
}

// ---- settle

constinit const wait_kind settle_op::settle_kind{wait_reason::settle, abandon, nullptr, nullptr};

settle_op::settle_op(await_site at) noexcept : wait_point(at, settle_kind) {}

bool settle_op::await_suspend(std::coroutine_handle<> frame) {
  routine& r = owner();
  simulation* sim = r.executor->options().simulated;
  if (sim == nullptr) throw_panic("settle: called outside a bubble");
  if (r.must_stop()) return refuse(*this, frame), true;
  begin_wait(*this, frame);
  if (!r.claim.arm(claim_word::armed, r)) return refuse(*this, frame), true;
  sim->settle(*this);
  return true;
}

void settle_op::abandon(wait_point& self) noexcept {
  self.owner().executor->options().simulated->unsettle(self);
}

}  // namespace detail
}  // namespace sluice
