// SPDX-License-Identifier: MIT
// What the library asks of the system and of its threads, answered by the model checker: the barrier
// of all threads, futexes, the clock, the current worker, and how broken invariants end.
#include <sluice/clock.hpp>
#include <sluice/detail/base/assert.hpp>

#include "base/asymmetric.hpp"
#include "base/futex.hpp"
#include "model/checker/model.hpp"
#include "sched/monotonic.hpp"
#include "sched/worker.hpp"

#include <chrono>
#include <cstdint>

namespace sluice::detail {

// ---- base/asymmetric.hpp

bool asymmetric_registered = false;  // set by the tests: bounds::membarrier

void asymmetric_init() noexcept {}

void heavy_barrier() noexcept {
  if (asymmetric_registered) model::barrier_of_all();
}

// ---- base/futex.hpp

namespace {
// Of wakes, all words together: a wake of another word is a spurious one for this.
std::uint64_t wakes = 0;
}  // namespace

void futex_wait(const atomic<std::uint32_t>& word, std::uint32_t expected,
                std::int64_t most) noexcept {
  // The kernel looks at the newest value, in one step with falling asleep.
  if (most >= 0 || word.latest() != expected) return model::yield();
  model::wait_until("a futex", [seen = wakes] { return wakes != seen; });
}

void futex_wake_all(const atomic<std::uint32_t>&) noexcept {
  ++wakes;
}

// ---- sched/monotonic.hpp

time_point monotonic_now() noexcept {
  // A look at the clock takes longer than any spin, and than any patience with hogs: loops until a
  // deadline end at once.
  static duration passed{0};
  return time_point(passed += std::chrono::milliseconds(20));
}

}  // namespace sluice::detail

sluice::time_point sluice::clock::now() noexcept {
  return detail::monotonic_now();
}

namespace sluice::detail {

// ---- sched/worker.hpp: one word for each simulated thread

worker* current_worker() noexcept {
  return static_cast<worker*>(model::thread_slot());
}
void set_current_worker(worker* w) noexcept {
  model::thread_slot() = w;
}

// ---- detail/base/assert.hpp

void fatal(const char* text) noexcept {
  model::fail(text);
}
void throw_panic(const char* text) {
  model::fail(text);
}

}  // namespace sluice::detail
