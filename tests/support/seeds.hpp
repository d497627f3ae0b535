// SPDX-License-Identifier: MIT
// Which seeds a test runs: its own, or the one that SLUICE_SEED asks for.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <random>
#include <vector>

namespace sluice_test {

/// Returns: the number in an environment variable, or `otherwise` if there is none.
inline std::uint64_t number_of(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr && *text != '\0' ? std::strtoull(text, nullptr, 0) : otherwise;
}

/// Whether one run is to be had again.
inline bool replays() {
  return number_of("SLUICE_SEED", 0) != 0;
}

/// Seeds that no run before had, most likely: to be printed.
inline std::uint64_t fresh_seed() {
  std::random_device entropy;
  return (std::uint64_t{entropy()} << 24 | entropy()) + 1'000'000'000;
}

/// `n` seeds from `first` on, or the one that is asked for.
inline std::vector<std::uint64_t> seeds(std::uint64_t first, std::uint64_t n) {
  if (replays()) return {number_of("SLUICE_SEED", 1)};
  std::vector<std::uint64_t> all(n);
  std::iota(all.begin(), all.end(), first);
  return all;
}

}  // namespace sluice_test
