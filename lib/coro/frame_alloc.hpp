// SPDX-License-Identifier: MIT
// A thread's half of the frame pool: two magazines per class, loaded and previous.
//
// Frames are taken from and put into `loaded`; when it cannot serve, the two change places, and
// only when neither can does a magazine change hands with the depot: a thread that allocates and
// frees at the edge of a magazine does not go to the depot each time.
#pragma once

#include <sluice/detail/base/atomic.hpp>
#include <sluice/detail/coro/frame_alloc.hpp>

#include "coro/frame_depot.hpp"

#include <cstddef>
#include <cstdint>

namespace sluice::detail {

/// The magazines of one thread for one class.
///
/// Invariants:
/// B1  `loaded` and `previous` are both null (a bin that was never used) or both not.
/// B2  `previous` is empty (previous_frames == 0) or full (== capacity).
/// B3  capacity is magazine_capacity(cls), or 0 in a bin that was never used: such a bin serves
///     neither way.
///
/// `word` = base * 256 + frames, frames being the number in `loaded`. Base moves only when frames
/// enter or leave `loaded` otherwise than by allocate and free, by as much as `frames` does, so
/// that base - frames is what this thread allocated less what it freed: the hot path counts live
/// frames at no cost, and a reader needs one load. Base wraps after 2^55 frames.
struct frame_bin {
  atomic<std::uint64_t> word{0};  // written by the owner only, read by frame_pool_stats()
  magazine* loaded = nullptr;     // owner, like the rest
  magazine* previous = nullptr;
  std::uint16_t capacity = 0;
  std::uint16_t previous_frames = 0;
  std::int32_t published = 0;  // low half of live_of() when it was last added to the peak

  static unsigned frames_of(std::uint64_t w) noexcept { return static_cast<unsigned>(w & 0xff); }
  static std::int64_t live_of(std::uint64_t w) noexcept {
    return (static_cast<std::int64_t>(w) >> 8) - static_cast<std::int64_t>(w & 0xff);
  }
  // relaxed: frames change hands under the depot's lock; other readers want a number only
  std::uint64_t read() const noexcept { return word.load(std::memory_order_relaxed); }
  void write(std::uint64_t w) noexcept { word.store(w, std::memory_order_relaxed); }

  /// `change` frames came into `loaded` (left it, if negative) that were not allocated or freed.
  void move(int change) noexcept {
    write(read() + static_cast<std::uint64_t>(std::int64_t{change} * 257));
  }
};

static_assert(sizeof(frame_bin) == 32, "a hot allocation touches one line of its bin");
static_assert(magazine::max_frames < 256, "`frames` has 8 bits of the word");

struct alignas(cache_line) frame_cache {
  frame_bin bins[frame_class_count];
  // Large frames, allocated less freed by this thread. relaxed: as frame_bin::word
  atomic<std::int64_t> large_frames{0};
  atomic<std::int64_t> large_bytes{0};
  std::int64_t large_published = 0;  // owner
  frame_cache* next = nullptr;       // all caches ever made; guarded by the registry's mutex
  frame_cache* next_free = nullptr;  // those whose threads have left; likewise
};

}  // namespace sluice::detail
