// SPDX-License-Identifier: MIT
// The shared half of the frame pool: size classes, slabs, and a depot of magazines per class.
//
// A magazine is an array of pointers to free frames of one class (Bonwick and Adams, "Magazines and
// Vmem", 2001). Threads fill and empty magazines of their own (frame_alloc.cpp) and exchange whole
// ones here, so that frames freed by another thread than the one that asked for them come back to
// it 63 at a time, under one lock.
//
// Frames are cut from slabs; slabs are kept for the life of the process. A class holds what it
// needed at its peak, in magazines, whoever freed them; nothing else bounds the depot, and nothing
// needs to: there are never more frames than were live at once, plus what threads cache (at most
// two magazines each).
#pragma once

#include <sluice/detail/base/atomic.hpp>
#include <sluice/detail/base/spin_lock.hpp>
#include <sluice/detail/coro/frame_alloc.hpp>

#include <algorithm>
#include <cstddef>
#include <mutex>

namespace sluice::detail {

inline constexpr std::size_t frame_max = 4096;  // bytes; larger frames come from operator new

/// Class of a frame of `size` bytes, size in [1, frame_max].
constexpr unsigned frame_class_of(std::size_t size) noexcept {
  if (size <= 1024) return static_cast<unsigned>((size - 1) / 16);
  if (size <= 2048) return static_cast<unsigned>(64 + (size - 1025) / 64);
  return static_cast<unsigned>(80 + (size - 2049) / 128);
}

/// Bytes of a frame of class `cls`.
constexpr std::size_t frame_class_bytes(unsigned cls) noexcept {
  if (cls < 64) return (cls + 1) * std::size_t{16};
  if (cls < 80) return 1024 + (cls - 63) * std::size_t{64};
  return 2048 + (cls - 79) * std::size_t{128};
}

static_assert(frame_class_of(frame_max) == frame_class_count - 1,
              "the last class ends at frame_max");
static_assert(frame_class_bytes(frame_class_count - 1) == frame_max, "and frame_max is its size");

struct alignas(cache_line) magazine {
  static constexpr unsigned max_frames = 63;

  magazine* next = nullptr;
  void* frames[max_frames];
};

static_assert(sizeof(magazine) == 512, "a link and 63 pointers: eight lines, none shared");

/// Frames in a full magazine: 63, fewer from 520 bytes on, so that a thread caches at most 64 KiB
/// per class; at least 8.
constexpr unsigned magazine_capacity(unsigned cls) noexcept {
  return static_cast<unsigned>(
      std::clamp<std::size_t>(32768 / frame_class_bytes(cls), 8, magazine::max_frames));
}

/// A magazine and how many frames it holds.
struct filled {
  magazine* of = nullptr;
  unsigned frames = 0;
};

/// The free frames of one class that no thread holds.
///
/// Invariants:
/// D1  `full_` holds magazines of magazine_capacity(cls) frames each, `empty_` of none.
/// D2  `loose_` is null or holds 1 to capacity - 1 frames, from threads that have no magazines.
/// D3  Whoever gives a full magazine, or one frame when `loose_` is null, finds an empty one:
///     frames are cut a magazine at a time, at most capacity of them, and that magazine stays in
///     circulation; each thread brings two more of its own. So freeing never allocates.
class alignas(cache_line) frame_depot {
 public:
  struct counts {
    std::ptrdiff_t live;  // of threads that left or have no magazines: freed minus allocated if < 0
    std::size_t cut;      // frames ever made
  };

  /// Exchanges the empty magazine `spent` for one with frames; {} when there is none, then `spent`
  /// stays the caller's.
  filled take(unsigned cls, magazine* spent) noexcept;

  /// Exchanges a full magazine for an empty one.
  magazine* give(magazine* full) noexcept;

  /// Counts the frames of a magazine that the caller cut and keeps, and takes `spent` for it.
  void replace(filled cut, magazine* spent) noexcept;

  /// A leaving thread's two magazines, and its share of the live count.
  void leave(unsigned cls, filled loaded, filled previous, std::ptrdiff_t live) noexcept;

  /// One frame, counted as live; null when there is none. For threads that have no magazines.
  void* take_one(unsigned cls) noexcept;
  /// The same after the caller cut a magazine, which is taken.
  void* take_one(unsigned cls, filled cut) noexcept;
  void give_one(unsigned cls, void* frame) noexcept;

  counts inspect() noexcept;

 private:
  void push_empty(magazine* m) noexcept;
  magazine* pop_empty() noexcept;
  void push(unsigned cls, filled m) noexcept;
  void push_loose(unsigned cls, void* frame) noexcept;
  void* pop_loose() noexcept;

  spin_lock lock_;  // guards the rest
  unsigned loose_frames_ = 0;
  magazine* loose_ = nullptr;
  magazine* full_ = nullptr;
  magazine* empty_ = nullptr;
  std::ptrdiff_t live_ = 0;
  std::size_t cut_ = 0;
};

/// Where frames and the pool's own records are cut from.
/// Threads: any; lock rank below frame_depot's, which is never held here.
class slab_source {
 public:
  /// Makes a magazine with 1 to magazine_capacity(cls) frames: few at first, so that a small
  /// program touches little, more as the class grows. Throws std::bad_alloc.
  filled cut(unsigned cls);

  /// Zeroed memory for a record, aligned to a cache line, never given back; null if there is none.
  void* record(std::size_t bytes) noexcept;

  /// Slabs mapped, and their bytes.
  void totals(std::size_t& slabs, std::size_t& bytes) noexcept;

 private:
  void* record_locked(std::size_t bytes) noexcept;
  bool add_slab() noexcept;

  std::mutex mutex_;  // guards the rest; a system call may be made under it
  std::byte* next_ = nullptr;
  std::byte* end_ = nullptr;
  std::byte* next_record_ = nullptr;
  std::byte* end_records_ = nullptr;
  std::size_t slabs_ = 0;
  std::size_t slab_bytes_ = 0;
  unsigned short batch_[frame_class_count] = {};  // frames of the last cut
};

extern frame_depot frame_depots[frame_class_count];
extern slab_source frame_slabs;

}  // namespace sluice::detail
