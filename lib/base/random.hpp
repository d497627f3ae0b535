// SPDX-License-Identifier: MIT
// A small, fast random generator for choices that only need to be even: victims, permutations.
// Seeded by the executor; in a test bubble the seed replays the run. Not for secrets.
#pragma once

#include <cstdint>

namespace sluice::detail {

/// xorshift64* (Vigna 2014, "An experimental exploration of Marsaglia's xorshift generators").
class random {
 public:
  explicit random(std::uint64_t seed) noexcept : s_(seed * 0x9E3779B97F4A7C15u + 1) {
    if (s_ == 0) s_ = 1;
  }
  std::uint64_t next() noexcept {
    s_ ^= s_ >> 12;
    s_ ^= s_ << 25;
    s_ ^= s_ >> 27;
    return s_ * 0x2545F4914F6CDD1Du;
  }
  /// In [0, n), n > 0. The bias of the multiplication is below n / 2^32.
  std::uint32_t below(std::uint32_t n) noexcept {
    return static_cast<std::uint32_t>(((next() >> 32) * n) >> 32);
  }

 private:
  std::uint64_t s_;
};

}  // namespace sluice::detail
