// SPDX-License-Identifier: MIT
// What the system says of this process: time, memory, context switches; and a scattering of numbers
// that every program of the benchmark makes alike.
#pragma once

#include "harness/peer.hpp"

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>

#include <sys/resource.h>
#include <unistd.h>

namespace perf {

struct process_figures {
  double wall = 0;      // s
  double cpu = 0;       // s, all threads
  double rss = 0;       // bytes
  double peak_rss = 0;  // bytes
  double switches = 0;  // voluntary: how often a thread of it blocked
};

inline process_figures figures_of_process() {
  process_figures f;
  f.wall = static_cast<double>(now_ns()) / 1e9;
  rusage u{};
  ::getrusage(RUSAGE_SELF, &u);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  f.cpu = seconds(u.ru_utime) + seconds(u.ru_stime);
  f.switches = static_cast<double>(u.ru_nvcsw);
  std::ifstream in("/proc/self/status");
  for (std::string text; std::getline(in, text);) {
    if (text.compare(0, 6, "VmRSS:") == 0) f.rss = std::stod(text.substr(6)) * 1024;
    if (text.compare(0, 6, "VmHWM:") == 0) f.peak_rss = std::stod(text.substr(6)) * 1024;
  }
  return f;
}

/// The i-th of a sequence spread evenly over [0, below), without a pattern.
inline std::uint64_t scatter(std::uint64_t i, std::uint64_t below) noexcept {
  std::uint64_t z = i + 0x9e3779b97f4a7c15u * (i + 1);  // splitmix64
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (z ^ (z >> 31)) % below;
}

}  // namespace perf
