// SPDX-License-Identifier: MIT
// A map from addresses that is emptied in no time, once for each execution. Nothing is taken out.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace model::engine {

template <class V>
class address_map {
 public:
  address_map() : slots_(capacity) {}

  void clear() noexcept {
    ++round_;
    size_ = 0;
  }

  /// Returns: the value at `key`, or null.
  V* find(const void* key) noexcept {
    slot& s = probe(key);
    return s.round == round_ ? &s.value : nullptr;
  }
  /// Returns: the value at `key`; V{} if there was none.
  V& operator[](const void* key) noexcept {
    slot& s = probe(key);
    if (s.round != round_) {
      if (++size_ > capacity / 2) {
        std::fputs("model: too many objects in one execution\n", stderr);
        std::abort();
      }
      s = {key, round_, V{}};
    }
    return s.value;
  }

 private:
  static constexpr std::size_t capacity = 4096;
  struct slot {
    const void* key = nullptr;
    std::uint32_t round = 0;
    V value{};
  };

  slot& probe(const void* key) noexcept {
    std::size_t i = static_cast<std::size_t>(
        (reinterpret_cast<std::uintptr_t>(key) * 0x9E3779B97F4A7C15u) >> 52);
    while (slots_[i].round == round_ && slots_[i].key != key)
      i = (i + 1) % capacity;
    return slots_[i];
  }

  std::vector<slot> slots_;
  std::uint32_t round_ = 1;
  std::size_t size_ = 0;
};

}  // namespace model::engine
