// SPDX-License-Identifier: MIT
// sluice_perf: runs the benchmarks (perf/run), serves sluice's rows to such a run, compares two runs
// (perf/compare).
#include "harness/bench.hpp"

#include <exception>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

int main(int argc, char** argv) {
  CLI::App app{"Measures sluice beside its peers."};
  perf::run_options o;
  bool serving = false;
  std::vector<std::string> files;
  app.add_option("GROUP", o.groups, "groups or rows to run; default: all");
  app.add_option("--json", o.json, "write the rows to this file");
  app.add_flag("--quick", o.quick, "3 shorter rounds instead of 7");
  app.add_option("--rounds", o.rounds, "rounds of each row")->check(CLI::Range(1, 1000));
  app.add_option("--peer", o.peers, "WHO=PROGRAM: takes turns with sluice")
      ->allow_extra_args(false);  // what follows it are groups
  app.add_option("--compare", files, "two files of --json: say what moved")->expected(2);
  app.add_flag("--serve", serving, "serve rows over stdin and stdout");
  CLI11_PARSE(app, argc, argv);
  try {
    if (serving) {
      std::vector<perf::served_row> served;
      for (const perf::row& r : perf::rows())
        served.push_back({r.name, r.run});
      return perf::serve(served, perf::sample_counts);
    }
    if (!files.empty()) return perf::compare(files[0], files[1]);
    if (o.quick) {
      if (app.get_option("--rounds")->empty()) o.rounds = 3;
      o.round_ns = 30'000'000;
    }
    return perf::drive(o);
  } catch (const std::exception& e) {
    fmt::print(stderr, "perf: {}\n", e.what());
    return 2;
  }
}
