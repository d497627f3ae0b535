// SPDX-License-Identifier: MIT
// Finds lines and words in bytes, 64 at a time, by the rules of wc in the C locale.
//
// A word is a run of bytes without white space that holds at least one printable one (33 to 126):
// control characters and bytes above 126 neither make nor end a word. That is what GNU wc does up to
// coreutils 9.4 under LC_ALL=C.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#  include <emmintrin.h>
#endif

namespace word_count {

/// Bytes looked at together; scan() needs as many behind the text.
inline constexpr std::size_t block = 64;

/// What the bytes of a block are, one bit each, the first in bit 0.
struct masks {
  std::uint64_t space;
  std::uint64_t newline;
  std::uint64_t printable;
};

#if defined(__SSE2__)

inline masks classify(const char* at) noexcept {
  const auto in_range = [](__m128i v, char first, char count) {
    const __m128i shifted = _mm_sub_epi8(v, _mm_set1_epi8(first));
    return _mm_cmpeq_epi8(_mm_min_epu8(shifted, _mm_set1_epi8(count)), shifted);
  };
  masks m{0, 0, 0};
  for (std::size_t i = 0; i < block; i += 16) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + i));
    const __m128i blank = _mm_cmpeq_epi8(v, _mm_set1_epi8(' '));
    const auto bits = [i](__m128i set) {
      return std::uint64_t{static_cast<std::uint16_t>(_mm_movemask_epi8(set))} << i;
    };
    m.space |= bits(_mm_or_si128(blank, in_range(v, '\t', '\r' - '\t')));
    m.newline |= bits(_mm_cmpeq_epi8(v, _mm_set1_epi8('\n')));
    m.printable |= bits(in_range(v, '!', '~' - '!'));
  }
  return m;
}

#else

inline masks classify(const char* at) noexcept {
  masks m{0, 0, 0};
  for (std::size_t i = 0; i < block; ++i) {
    const auto c = static_cast<unsigned char>(at[i]);
    m.space |= std::uint64_t{c == ' ' || (c >= '\t' && c <= '\r')} << i;
    m.newline |= std::uint64_t{c == '\n'} << i;
    m.printable |= std::uint64_t{c >= '!' && c <= '~'} << i;
  }
  return m;
}

#endif

inline bool is_space(char c) noexcept {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

struct counts {
  std::uint64_t lines = 0;
  std::uint64_t words = 0;
};

/// What the bytes up to the first white space of a text are.
enum class head : unsigned char {
  whole,      // a word, or none
  uncounted,  // the rest of a word too long for one buffer, of which nothing printable was seen
  counted,    // the rest of one that was counted already
};

/// Counts, and calls on_word(first, length) for each word but those that only end or begin here:
/// the first one unless it is whole. `text[size, size + block)` is overwritten.
template <class OnWord>
counts scan(char* text, std::size_t size, head first, OnWord on_word) {
  std::memset(text + size, ' ', block);
  counts n;
  std::uint64_t inside = 0;  // 1: a word goes on from the block before
  const char* start = text;  // of that word
  bool printable = false;    // whether it has shown a printable byte
  const auto end_word = [&](const char* end) {
    if (start == text && first != head::whole) {
      n.words += printable && first == head::uncounted;
    } else if (printable) {
      ++n.words;
      on_word(start, static_cast<std::size_t>(end - start));
    }
  };
  for (char* at = text; at <= text + size; at += block) {
    const masks m = classify(at);
    n.lines += static_cast<unsigned>(std::popcount(m.newline));
    const std::uint64_t word = ~m.space;
    std::uint64_t edges = word ^ (word << 1 | inside);
    if (inside != 0) {
      // Bits below the first edge; all of them if there is none.
      const std::uint64_t rest = (edges & (0 - edges)) - 1;
      printable = printable || (m.printable & rest) != 0;
      if (edges == 0) continue;
      end_word(at + std::countr_zero(edges));
      edges &= edges - 1;
    }
    while (edges != 0) {
      const int from = std::countr_zero(edges);
      edges &= edges - 1;
      start = at + from;
      const std::uint64_t rest = (edges & (0 - edges)) - 1;
      printable = (m.printable & rest & (~std::uint64_t{0} << from)) != 0;
      if (edges == 0) break;
      end_word(at + std::countr_zero(edges));
      edges &= edges - 1;
    }
    inside = word >> 63;
  }
  return n;
}

/// The word at the end of a text that may go on behind it.
struct unfinished {
  std::size_t length;
  bool printable;
};
inline unfinished last_word(const char* text, std::size_t size) noexcept {
  unfinished u{0, false};
  while (size - u.length >= block) {
    const masks m = classify(text + size - u.length - block);
    const int bytes = std::countl_zero(m.space);  // of the word, at the end of the block
    const std::uint64_t of_word = bytes == 0 ? 0 : ~std::uint64_t{0} << (block - bytes);
    u.printable = u.printable || (m.printable & of_word) != 0;
    u.length += static_cast<std::size_t>(bytes);
    if (m.space != 0) return u;
  }
  while (u.length < size && !is_space(text[size - 1 - u.length])) {
    const char c = text[size - 1 - u.length];
    u.printable = u.printable || (c >= '!' && c <= '~');
    ++u.length;
  }
  return u;
}

}  // namespace word_count
