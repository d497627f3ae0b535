// SPDX-License-Identifier: MIT
// How many threads the process has.
#pragma once

namespace sluice::detail {

/// The threads of the process, without those that the kernel keeps for io_uring, which run no code of
/// the process. Returns: -1 if the system does not tell (no /proc).
/// Threads: any. Cost: two system calls, and one file for each thread above `expected`.
int count_threads(int expected);

}  // namespace sluice::detail
