// SPDX-License-Identifier: MIT
// Runs one program in a bubble and says what is wrong with it.
#pragma once

#include "fuzz/world.hpp"

#include <cstdint>
#include <string>

namespace sluice_fuzz {

struct verdict {
  std::string failure;  // empty: all is well
  std::string history;  // if it was kept
  std::uint64_t digest = 0;
  tally count;
};

verdict run_program(const limits& l);

/// The least budget of steps with which the program fails still; `l` fails.
limits shrink(const limits& l);

}  // namespace sluice_fuzz
