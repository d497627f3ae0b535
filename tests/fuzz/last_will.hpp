// SPDX-License-Identifier: MIT
// Says which seed was running when the process dies: of a failed assertion, a bad access, a sanitizer.
#pragma once

#include <cstdint>

namespace sluice_fuzz {

/// While it lives, the process does not die without naming the seed. One at a time; made inside of a
/// test case, since doctest has signal handlers of its own, which come after.
class last_will {
 public:
  explicit last_will(const char* what) noexcept;
  last_will(const last_will&) = delete;
  last_will& operator=(const last_will&) = delete;
  ~last_will();

  void now_runs(std::uint64_t seed) noexcept;
};

}  // namespace sluice_fuzz
