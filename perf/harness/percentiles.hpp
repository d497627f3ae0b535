// SPDX-License-Identifier: MIT
// Percentiles of many delays, as figures of a row.
#pragma once

#include "harness/peer.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace perf {

/// The smallest of the delays that `part` (in [0, 1]) of them do not exceed. Requires: sorted, not
/// empty. With fewer than a thousand delays the 99.9th percentile is the largest.
inline std::uint64_t percentile(const std::vector<std::uint64_t>& sorted, double part) {
  const auto at = static_cast<std::size_t>(part * static_cast<double>(sorted.size()));
  return sorted[std::min(at, sorted.size() - 1)];
}

/// Sets NAME_p50, NAME_p99, NAME_p999 and NAME_max, in microseconds, of delays in nanoseconds.
inline void set_percentiles(meter& m, const std::string& name, std::vector<std::uint64_t> delays) {
  if (delays.empty()) return;
  std::sort(delays.begin(), delays.end());
  constexpr std::pair<const char*, double> wanted[] = {
      {"_p50", 0.5}, {"_p99", 0.99}, {"_p999", 0.999}, {"_max", 1}};
  for (const auto& [suffix, part] : wanted) {
    m.set(name + suffix, static_cast<double>(percentile(delays, part)) / 1000);
  }
}

}  // namespace perf
