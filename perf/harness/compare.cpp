// SPDX-License-Identifier: MIT
// Two files of --json side by side: which rows of sluice moved beyond the noise?
//
// The noise of a row is the largest of: three times the spread of its rounds (MAD, scaled to a
// standard deviation), what sluice and "sluice again" differ by in either file, how far the row's
// peers moved (they are the same programs: the machine did that), and 3 %.
#include "harness/report.hpp"

#include <algorithm>
#include <cmath>
#include <exception>

#include <fmt/format.h>

namespace perf {

namespace {

constexpr double least_noise = 0.03;
constexpr double deviations = 3 * 1.4826;  // of the MAD of a normal distribution

const line* find(const std::vector<line>& in, const line& like, std::string_view who) {
  for (const line& l : in) {
    if (l.row == like.row && l.workers == like.workers && l.who == who) return &l;
  }
  return nullptr;
}

double change(double from, double to) {
  return from == 0 ? (to == 0 ? 0 : 1) : to / from - 1;
}

double noise_of(const line& own, const std::vector<line>& file) {
  double noise = own.value.median == 0 ? 0 : deviations * own.value.mad / own.value.median;
  if (const line* again = find(file, own, null_name)) {
    noise = std::max(noise, std::abs(change(own.value.median, again->value.median)));
  }
  return noise;
}

/// By how much the peers of this row moved: their median.
double drift_of(const line& own, const std::vector<line>& older, const std::vector<line>& newer) {
  std::vector<double> moved;
  for (const line& peer : older) {
    if (peer.row != own.row || peer.workers != own.workers) continue;
    if (peer.who == sluice_name || peer.who == null_name) continue;
    if (const line* later = find(newer, peer, peer.who)) {
      moved.push_back(change(peer.value.median, later->value.median));
    }
  }
  return median_of(std::move(moved));
}

}  // namespace

int compare(const std::string& older_file, const std::string& newer_file) {
  const std::vector<line> older = read_json(older_file);
  const std::vector<line> newer = read_json(newer_file);
  int worse = 0;
  int better = 0;
  int same = 0;
  fmt::print("{:<24} {:>2} {:>10} {:>10} {:<8} {:>8} {:>8} {:>8}\n", "row", "w", "old", "new",
             "unit", "change", "peers", "noise");
  for (const line& now : newer) {
    if (now.who != sluice_name) continue;
    const line* before = find(older, now, sluice_name);
    if (before == nullptr) {
      fmt::print("{:<24} {:>2} {:>10} {:>10.2f} {:<8} only in {}\n", now.row, now.workers, "",
                 now.value.median, now.unit, newer_file);
      continue;
    }
    const double moved = change(before->value.median, now.value.median);
    const double drift = drift_of(now, older, newer);
    const double noise =
        std::max({least_noise, noise_of(*before, older), noise_of(now, newer), std::abs(drift)});
    const char* verdict = "";
    if (std::abs(moved) <= noise) {
      ++same;
    } else if (moved > 0) {
      ++worse;
      verdict = "WORSE";
    } else {
      ++better;
      verdict = "better";
    }
    fmt::print("{:<24} {:>2} {:>10.2f} {:>10.2f} {:<8} {:>+7.1f}% {:>+7.1f}% {:>7.1f}% {}\n",
               now.row, now.workers, before->value.median, now.value.median, now.unit, moved * 100,
               drift * 100, noise * 100, verdict);
  }
  for (const line& before : older) {
    if (before.who != sluice_name || find(newer, before, sluice_name) != nullptr) continue;
    fmt::print("{:<24} {:>2} only in {}\n", before.row, before.workers, older_file);
  }
  fmt::print("\n{} better, {} worse, {} within the noise\n", better, worse, same);
  return worse != 0 ? 1 : 0;
}

}  // namespace perf
