// SPDX-License-Identifier: MIT
// The monotonic time that deadlines are given in.
//
// Every executor has its own clock: real executors read CLOCK_MONOTONIC, a test bubble its virtual
// one. So a time point is only good on the executor it was read on.
#pragma once

#include <sluice/config.hpp>

#include <chrono>

namespace sluice {

using duration = std::chrono::nanoseconds;

/// Monotonic. Inside a routine: its executor's clock (virtual in a bubble); elsewhere CLOCK_MONOTONIC.
struct clock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<clock>;
  static constexpr bool is_steady = true;

  /// Cost: one clock_gettime through the vdso, about 25 ns.
  SLUICE_EXPORT static time_point now() noexcept;
};

using time_point = clock::time_point;

namespace detail {

/// Deadlines saturate: a far future stays far, a past one is due at once.
constexpr time_point deadline_after(time_point now, duration d) noexcept {
  if (d <= duration::zero()) return now;
  if (now.time_since_epoch() > duration::max() - d) return time_point::max();
  return now + d;
}

/// Any chrono duration to ours, rounded up (a sleep is never too short) and saturated.
template <class Rep, class Period>
constexpr duration saturated(std::chrono::duration<Rep, Period> d) noexcept {
  using seconds = std::chrono::duration<long double>;
  if (seconds(d) >= seconds(duration::max())) return duration::max();
  if (seconds(d) <= seconds(duration::min())) return duration::min();
  return std::chrono::ceil<duration>(d);
}

}  // namespace detail
}  // namespace sluice
