// SPDX-License-Identifier: MIT
// The rows of the benchmark: what each file of perf/ registers, and what the driver runs.
//
// A row's function is served by a process of its own (peer.hpp); the driver is another process of
// the same program. It finds the number of operations that fills a round, lets sluice and its peers
// take turns, and reports the median.
#pragma once

#include "harness/peer.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

namespace perf {

/// What is to be reached, on one worker count. Given as a multiple of what `who` takes beside it in
/// the same run; or, with an empty `who`, as a figure in the row's unit.
struct aim {
  int workers = 0;
  double most = 0;
  std::string_view who = "go";
};

/// A figure that a row reports itself: the row ROW.KEY of the table.
struct figure {
  std::string_view key;
  std::string_view unit;
  aim at_most{};  // `workers` is not looked at; none if `most` is 0
};

struct row {
  std::string_view group;        // the stem of the file that registers it
  std::string_view name;         // one word; peers know it by the same name
  std::string_view unit = "ns";  // per operation
  std::vector<int> workers = {1, 2};
  void (*run)(meter& m, int workers, std::uint64_t n) = nullptr;

  std::uint64_t n = 0;        // operations in a round; 0: as many as fill one
  std::uint64_t quick_n = 0;  // likewise under --quick; 0: n
  int most_rounds = 0;        // 0: as many as asked for
  bool fresh = false;         // a new process for each round: memory is measured
  double scale = 1;           // from ns to `unit`
  bool whole = false;         // the unit is that of all n operations, not of one
  std::vector<aim> aims = {};
  std::vector<figure> figures = {};  // not empty: these instead of the time
};

/// All rows, in the order in which groups stand in the table.
std::vector<row>& rows();

/// `const perf::registration spawn_one{{.group = "spawn", ...}};` at namespace scope.
struct registration {
  explicit registration(row r);
};

struct run_options {
  std::vector<std::string> groups;  // empty: all
  std::string json;                 // file to write, or empty
  std::vector<std::string> peers;   // programs: WHO=COMMAND
  int rounds = 7;
  std::uint64_t round_ns = 50'000'000;
  bool quick = false;
};

/// Runs the rows and prints the table. Returns: the exit status, 1 if a row of sluice failed.
int drive(const run_options& o);

/// Prints what moved beyond the noise between two files of --json. Returns: 1 if anything of sluice
/// became worse, else 0.
int compare(const std::string& older, const std::string& newer);

/// The counts of this process, for serve().
void sample_counts(counts& c, bool first);

}  // namespace perf
