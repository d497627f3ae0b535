// SPDX-License-Identifier: MIT
// What a run has measured, as a table for people and as JSON for programs.
#pragma once

#include "harness/bench.hpp"
#include "harness/statistics.hpp"

#include <optional>
#include <string>
#include <vector>

namespace perf {

/// One line of the table. Counts are per operation, and are told of sluice only.
struct line {
  std::string group;
  std::string row;
  std::string who;
  int workers = 0;
  std::string unit;
  summary value;
  std::optional<double> allocs;
  std::optional<double> syscalls;
  std::optional<double> wakeups;
  std::optional<double> instructions;
  aim at_most;  // of sluice's lines; none if `most` is 0
};

/// What sluice calls itself, and its second process, whose difference is the noise of the run.
inline constexpr std::string_view sluice_name = "sluice";
inline constexpr std::string_view null_name = "sluice again";

/// Prints a machine's line and the head of the table.
void print_head();
/// Prints the lines of one row and one worker count, sluice's first.
void print_lines(const std::vector<line>& lines);
/// Prints how many aims are reached.
void print_foot(const std::vector<line>& all);

/// Throws std::runtime_error naming the file and the cause.
void write_json(const std::string& file, const std::vector<line>& all);
std::vector<line> read_json(const std::string& file);

/// Whether the row's aim is reached beside the others of the same row and worker count. Nothing: it
/// has none, or the peer that it is compared with did not take part.
struct verdict {
  double ratio;  // to the peer; or the figure itself
  bool reached;
};
std::optional<verdict> judge(const line& of, const std::vector<line>& beside);

}  // namespace perf
