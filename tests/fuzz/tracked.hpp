// SPDX-License-Identifier: MIT
// What the programs of the fuzz carry about: values and frames that are counted, one by one.
//
// One thread: a program runs in a bubble. The book is that of the program that runs.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace sluice_fuzz {

/// What became of every value and every guard of a program.
struct tracking_book {
  struct entry {
    unsigned char made = 0;   // as a value of its own, not by a move
    unsigned char ended = 0;  // destroyed while it held the value
  };
  std::vector<entry> values;  // by number
  long objects = 0;           // parcels and guards alive, moved-from ones too
  long guards = 0;            // of these, guards
  long broken = 0;            // seen dead, or at another address than they were made at

  /// Returns: a number for a value that is still to be made.
  int new_value() {
    values.emplace_back();
    return static_cast<int>(values.size()) - 1;
  }
  /// Returns: the first value that was not destroyed as often as it was made, or -1.
  int unaccounted() const noexcept {
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i].made != values[i].ended || values[i].made > 1) return static_cast<int>(i);
    }
    return -1;
  }

  static tracking_book& current() noexcept {
    static tracking_book book;
    return book;
  }
};

/// Notices when it is destroyed twice, or was copied behind its back.
class anchored {
 public:
  anchored() noexcept : self_(this) { ++tracking_book::current().objects; }
  anchored(const anchored&) = delete;
  anchored& operator=(const anchored&) = delete;
  ~anchored() {
    check();
    self_ = nullptr;
    --tracking_book::current().objects;
  }
  void check() const noexcept {
    if (self_ != this) ++tracking_book::current().broken;
  }

 private:
  const anchored* self_;
};

/// A value that is in one place at a time.
class parcel {
 public:
  static constexpr int nothing = -1;

  explicit parcel(int number) noexcept : number_(number) {
    ++tracking_book::current().values[static_cast<std::size_t>(number)].made;
  }
  parcel(parcel&& o) noexcept : number_(std::exchange(o.number_, nothing)) { o.alive_.check(); }
  parcel& operator=(parcel&&) = delete;
  ~parcel() {
    if (number_ == nothing) return;
    ++tracking_book::current().values[static_cast<std::size_t>(number_)].ended;
  }

  /// `nothing` once it was moved from.
  int number() const noexcept {
    alive_.check();
    return number_;
  }

 private:
  anchored alive_;
  int number_;
};

/// A local of a frame, or an argument of a routine: destroyed once, whatever becomes of the frame.
class guard {
 public:
  guard() noexcept { ++tracking_book::current().guards; }
  guard(guard&&) noexcept : guard() {}
  guard& operator=(guard&&) = delete;
  ~guard() { --tracking_book::current().guards; }

  void check() const noexcept { alive_.check(); }

 private:
  anchored alive_;
};

}  // namespace sluice_fuzz
