// SPDX-License-Identifier: MIT
// A value that knows how many of its kind live, and notices when it is destroyed twice or was copied
// behind its back (g++ 12 does both in expressions that await).
#pragma once

#include <atomic>

namespace sluice_test {

class counted {
 public:
  explicit counted(int v = 0) noexcept : value_(v), self_(this) { made.fetch_add(1); }
  counted(const counted& o) noexcept : value_(o.value_), self_(this) {
    o.check();
    made.fetch_add(1);
    copied.fetch_add(1);
  }
  counted(counted&& o) noexcept : value_(o.value_), self_(this) {
    o.check();
    o.value_ = moved_from;
    made.fetch_add(1);
    moved.fetch_add(1);
  }
  counted& operator=(const counted& o) noexcept {
    o.check();
    value_ = o.value_;
    return *this;
  }
  ~counted() {
    check();
    self_ = nullptr;
    destroyed.fetch_add(1);
  }

  int value() const noexcept {
    check();
    return value_;
  }

  static constexpr int moved_from = -1;

  static int live() noexcept { return made.load() - destroyed.load(); }
  /// Whether each one made was destroyed once, and none was copied bit by bit.
  static bool balanced() noexcept { return live() == 0 && broken.load() == 0; }
  static void reset() noexcept {
    for (std::atomic<int>* n : {&made, &destroyed, &copied, &moved, &broken})
      n->store(0);
  }

  static inline std::atomic<int> made{0};
  static inline std::atomic<int> destroyed{0};
  static inline std::atomic<int> copied{0};
  static inline std::atomic<int> moved{0};
  static inline std::atomic<int> broken{0};  // seen dead, or at another address

 private:
  void check() const noexcept {
    if (self_ != this) broken.fetch_add(1);
  }

  int value_;
  const counted* self_;
};

}  // namespace sluice_test
