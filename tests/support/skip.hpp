// SPDX-License-Identifier: MIT
// How a case says that this machine cannot run it: the kernel lacks a feature, a limit cannot be
// set. The case calls skip() and returns; if every case that ran skipped, the process exits with
// 77, which ctest reports as skipped. It is no way round a failure: checks before it still count.
#pragma once

#include <cstdio>

namespace sluice_test {

inline int skipped_cases = 0;

/// Counts the running case as skipped and prints why; the caller returns at once.
inline void skip(const char* reason) {
  ++skipped_cases;
  std::fprintf(stderr, "skipped: %s\n", reason);
}

}  // namespace sluice_test
