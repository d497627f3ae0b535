// SPDX-License-Identifier: MIT
// The floors, by what they are made of. Each serves the rows that it is a bound of.
#pragma once

#include "harness/peer.hpp"

#include <span>

namespace perf {

/// Bare coroutines on one thread: malloc'd frames, resumed by a loop, no lock and no atomic.
std::span<const served_row> raw_rows();
/// Two threads that hand over through shared memory and never block.
std::span<const served_row> spin_rows();
/// Two threads that block in futex(2).
std::span<const served_row> futex_rows();
/// The bare system call.
std::span<const served_row> pread_rows();

}  // namespace perf
