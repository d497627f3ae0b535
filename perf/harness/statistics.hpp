// SPDX-License-Identifier: MIT
// Median and spread of a handful of rounds.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

namespace perf {

struct summary {
  double median = 0;
  double min = 0;
  double max = 0;
  double mad = 0;  // median absolute deviation from the median
};

inline double median_of(std::vector<double> v) {
  if (v.empty()) return 0;
  std::sort(v.begin(), v.end());
  const std::size_t half = v.size() / 2;
  return v.size() % 2 != 0 ? v[half] : (v[half - 1] + v[half]) / 2;
}

inline summary summarise(const std::vector<double>& v) {
  if (v.empty()) return {};
  summary s;
  s.median = median_of(v);
  s.min = *std::min_element(v.begin(), v.end());
  s.max = *std::max_element(v.begin(), v.end());
  std::vector<double> off;
  for (const double x : v)
    off.push_back(std::abs(x - s.median));
  s.mad = median_of(off);
  return s;
}

}  // namespace perf
