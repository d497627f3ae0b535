// SPDX-License-Identifier: MIT
// How often each word came: a hash table that knows its input. Not thread-safe; each counter has one.
//
// Most words are short: up to 15 bytes they lie in the slot itself, compared as two integers. Longer
// ones lie one after another in a text. Words beyond 255 bytes are counted by scan(), not here.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace word_count {

inline constexpr std::size_t longest_listed = 255;  // bytes

struct ranked {
  std::string word;
  std::uint64_t count;
};

class tally {
 public:
  /// Keeps at most about `most_words` different words: beyond, the rarest are forgotten, and counts
  /// can be low by up to undercount().
  explicit tally(std::size_t most_words) : most_(most_words) { resize(1 << 14, 1 << 12); }

  /// Counts a word. 16 bytes from `word` on must be readable, whatever its length.
  /// Lifetime: the word must stay until settle().
  void add(const char* word, std::size_t length) {
    // The tables are larger than the caches: words wait here while their slots are fetched.
    if (length <= 15) {
      waiting_short& w = short_line_[short_next_++ % line];
      if (w.key != key{}) add_short(w.key, w.hash, 1);
      const key k = load(word, length);
      w = {k, mix(k.low, k.high)};
      __builtin_prefetch(&shorts_[w.hash & (shorts_.size() - 1)]);
    } else if (length <= longest_listed) {
      waiting_long& w = long_line_[long_next_++ % line];
      if (!w.word.empty()) add_long(w.word, w.hash, 1);
      w = {{word, length}, hash_of({word, length})};
      __builtin_prefetch(&longs_[w.hash & (longs_.size() - 1)]);
    }
  }

  /// Counts what waits.
  void settle() {
    for (waiting_short& w : short_line_) {
      if (w.key != key{}) add_short(w.key, w.hash, 1);
      w = {};
    }
    for (waiting_long& w : long_line_) {
      if (!w.word.empty()) add_long(w.word, w.hash, 1);
      w = {};
    }
  }

  std::uint64_t count_of(std::string_view word) const {
    if (word.size() > 15) {
      const long_slot& s = longs_[find_long(word, hash_of(word))];
      return s.count;
    }
    char room[16] = {};
    std::memcpy(room, word.data(), word.size());
    const key k = load(room, word.size());
    return shorts_[find_short(k, mix(k.low, k.high))].count;
  }

  template <class F>
  void for_each(F f) const {
    for (const short_slot& s : shorts_) {
      if (s.count != 0) f(text_of(s.key), s.count);
    }
    for (const long_slot& s : longs_) {
      if (s.count != 0) f(text_of(s), s.count);
    }
  }

  std::size_t size() const noexcept { return short_count_ + long_count_; }
  std::uint64_t undercount() const noexcept { return undercount_; }

 private:
  struct key {
    std::uint64_t low, high;  // the word, and its length in the last byte
    bool operator==(const key&) const noexcept = default;
  };
  struct short_slot {
    tally::key key;
    std::uint64_t count;  // 0: free
  };
  struct long_slot {
    std::uint64_t hash;
    std::uint64_t count;       // 0: free
    std::uint32_t at, length;  // in text_
  };

  static std::string_view text_of(const key& k) noexcept {
    const char* const bytes = reinterpret_cast<const char*>(&k);
    return {bytes, static_cast<unsigned char>(bytes[15])};
  }

  static key load(const char* word, std::size_t length) noexcept {
    if constexpr (std::endian::native != std::endian::little) {
      char bytes[16] = {};
      std::memcpy(bytes, word, length);
      bytes[15] = static_cast<char>(length);
      return std::bit_cast<key>(bytes);
    }
    constexpr auto ones = [](std::size_t bytes) {
      return bytes >= 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << 8 * bytes) - 1;
    };
    std::uint64_t low, high;
    std::memcpy(&low, word, 8);
    std::memcpy(&high, word + 8, 8);
    low &= ones(length);
    high = length > 8 ? high & ones(length - 8) : 0;
    return {low, high | std::uint64_t{length} << 56};
  }

  static std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
    __extension__ using wide = unsigned __int128;
    const wide product = wide{a ^ 0x9e3779b97f4a7c15} * (b ^ 0xd6e8feb86659fd93);
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  }
  static std::uint64_t hash_of(std::string_view word) noexcept {
    const auto part = [&word](std::size_t at) {
      std::uint64_t bytes;
      std::memcpy(&bytes, word.data() + at, 8);
      return bytes;
    };
    std::uint64_t hash = word.size();
    for (std::size_t at = 0; at + 8 < word.size(); at += 8)
      hash = mix(hash, part(at));
    return mix(hash, part(word.size() - 8));
  }

  std::string_view text_of(const long_slot& s) const { return {text_.data() + s.at, s.length}; }

  std::size_t find_short(const key& k, std::uint64_t hash) const noexcept {
    const std::size_t last = shorts_.size() - 1;
    std::size_t at = hash & last;
    while (shorts_[at].count != 0 && shorts_[at].key != k)
      at = (at + 1) & last;
    return at;
  }
  std::size_t find_long(std::string_view word, std::uint64_t hash) const noexcept {
    const std::size_t last = longs_.size() - 1;
    std::size_t at = hash & last;
    while (longs_[at].count != 0 && (longs_[at].hash != hash || text_of(longs_[at]) != word)) {
      at = (at + 1) & last;
    }
    return at;
  }

  void add_short(const key& k, std::uint64_t hash, std::uint64_t n) {
    short_slot& s = shorts_[find_short(k, hash)];
    s.count += n;
    if (s.count != n) return;
    s.key = k;
    ++short_count_;
    make_room();
  }
  void add_long(std::string_view word, std::uint64_t hash, std::uint64_t n) {
    long_slot& s = longs_[find_long(word, hash)];
    s.count += n;
    if (s.count != n) return;
    s.hash = hash;
    s.at = static_cast<std::uint32_t>(text_.size());
    s.length = static_cast<std::uint32_t>(word.size());
    text_.append(word);
    ++long_count_;
    make_room();
  }

  /// Keeps the tables at most half full.
  void make_room() {
    if (size() > most_) return forget_rarest();
    const bool shorts_full = short_count_ * 2 > shorts_.size();
    const bool longs_full = long_count_ * 2 > longs_.size();
    if (shorts_full || longs_full) {
      rebuild(shorts_.size() << shorts_full, longs_.size() << longs_full, 0);
    }
  }

  /// Forgets at least half of the words, those that came most seldom.
  void forget_rarest() {
    std::uint64_t rare = 1;
    for (;; rare *= 2) {
      std::size_t kept = 0;
      for_each([&](std::string_view, std::uint64_t count) { kept += count > rare; });
      if (kept * 2 <= most_) break;
    }
    undercount_ += rare;
    rebuild(shorts_.size(), longs_.size(), rare);
  }

  void resize(std::size_t shorts, std::size_t longs) {
    shorts_.assign(shorts, short_slot{});
    longs_.assign(longs, long_slot{});
  }

  /// Moves what came more than `rare` times to tables of other sizes, powers of two.
  void rebuild(std::size_t shorts, std::size_t longs, std::uint64_t rare) {
    const auto old_shorts = std::move(shorts_);
    const auto old_longs = std::move(longs_);
    const auto old_text = std::move(text_);
    resize(shorts, longs);
    text_.clear();
    short_count_ = long_count_ = 0;
    for (const short_slot& s : old_shorts) {
      if (s.count > rare) add_short(s.key, mix(s.key.low, s.key.high), s.count);
    }
    for (const long_slot& s : old_longs) {
      if (s.count > rare) add_long({old_text.data() + s.at, s.length}, s.hash, s.count);
    }
  }

  struct waiting_short {
    tally::key key;  // zero: none
    std::uint64_t hash;
  };
  struct waiting_long {
    std::string_view word;  // empty: none
    std::uint64_t hash;
  };
  static constexpr std::size_t line = 16;  // a power of two

  std::size_t most_;
  std::vector<short_slot> shorts_;  // size: a power of two
  std::vector<long_slot> longs_;    // likewise
  std::string text_;                // the words of longs_, one after another
  std::size_t short_count_ = 0;
  std::size_t long_count_ = 0;
  std::uint64_t undercount_ = 0;
  waiting_short short_line_[line] = {};
  waiting_long long_line_[line] = {};
  std::size_t short_next_ = 0;
  std::size_t long_next_ = 0;
};

/// The n words that came most often in all tallies together, most frequent first, equally frequent
/// ones in the order of their bytes.
///
/// The tables are not merged: a word that is in the result came in some tally at least 1/k as often,
/// of k, as the n-th most frequent word of any one of them. Only those few are looked up in all.
inline std::vector<ranked> most_frequent(const std::vector<tally>& all, std::size_t n) {
  if (n == 0 || all.empty()) return {};
  std::uint64_t surely = 0;  // what the n-th word of the result has at least
  for (const tally& t : all) {
    if (t.size() < n) continue;
    std::vector<std::uint64_t> counts;
    counts.reserve(t.size());
    t.for_each([&](std::string_view, std::uint64_t count) { counts.push_back(count); });
    std::nth_element(counts.begin(), counts.begin() + static_cast<std::ptrdiff_t>(n - 1),
                     counts.end(), [](std::uint64_t a, std::uint64_t b) { return a > b; });
    surely = std::max(surely, counts[n - 1]);
  }
  std::vector<std::string> candidates;
  for (const tally& t : all) {
    t.for_each([&](std::string_view word, std::uint64_t count) {
      if (count * all.size() >= surely) candidates.emplace_back(word);
    });
  }
  std::sort(candidates.begin(), candidates.end());
  candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());

  std::vector<ranked> result;
  for (std::string& word : candidates) {
    std::uint64_t count = 0;
    for (const tally& t : all)
      count += t.count_of(word);
    result.push_back({std::move(word), count});
  }
  std::sort(result.begin(), result.end(), [](const ranked& a, const ranked& b) {
    return a.count != b.count ? a.count > b.count : a.word < b.word;
  });
  if (result.size() > n) result.resize(n);
  return result;
}

}  // namespace word_count
