// SPDX-License-Identifier: MIT
#include <sluice/clock.hpp>

#include "sched/executor_core.hpp"

#include <time.h>

namespace sluice {

namespace detail {

time_point monotonic_now() noexcept {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return time_point(std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec));
}

}  // namespace detail

time_point clock::now() noexcept {
  const detail::worker* w = detail::current_worker();
  return w != nullptr ? w->ex.now() : detail::monotonic_now();
}

}  // namespace sluice
