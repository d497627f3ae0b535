// SPDX-License-Identifier: MIT
// Lower bounds, written by hand for one purpose each: what no scheduler that does more can beat by
// much. One program; its argument says which floor it serves.
#include "floors/floors.hpp"

#include <cstdio>
#include <string_view>

int main(int argc, char** argv) {
  const std::string_view floor = argc == 2 ? argv[1] : "";
  if (floor == "raw") return perf::serve(perf::raw_rows());
  if (floor == "spin") return perf::serve(perf::spin_rows());
  if (floor == "futex") return perf::serve(perf::futex_rows());
  if (floor == "pread") return perf::serve(perf::pread_rows());
  std::fputs("usage: sluice_floors raw|spin|futex|pread\n", stderr);
  return 2;
}
