// SPDX-License-Identifier: MIT
// What word_count found, in words or as JSON.
#pragma once

#include "tally.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace word_count {

struct report {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::uint64_t lines = 0;
  std::uint64_t words = 0;
  std::uint64_t unreadable = 0;  // files and directories
  std::uint64_t undercount = 0;  // by which counts in `top` can be low
  std::vector<ranked> top;
  std::chrono::duration<double> time{};
};

/// "1,234,567".
std::string grouped(std::uint64_t n);

/// "12.3 MB".
std::string scaled(double n, std::string_view unit);

/// A table for readers.
std::string to_text(const report& r, std::string_view backend, std::string_view reason,
                    int workers);

/// One object. Bytes of words that are not UTF-8 become U+FFFD.
std::string to_json(const report& r);

}  // namespace word_count
