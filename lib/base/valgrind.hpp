// SPDX-License-Identifier: MIT
// Whether the process runs on valgrind, which is asked for where it needs to be spared something.
#pragma once

#include <cstdlib>
#include <cstring>

namespace sluice::detail {

/// Valgrind preloads its core into the process. (Its own request, a sequence of instructions, is in a
/// header that need not be there.)
inline bool on_valgrind() noexcept {
  const char* preload = std::getenv("LD_PRELOAD");
  return preload != nullptr && std::strstr(preload, "vgpreload_core") != nullptr;
}

}  // namespace sluice::detail
