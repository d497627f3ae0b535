// SPDX-License-Identifier: MIT
// Where coroutine frames come from: per-thread magazines of free frames, by size class.
//
// Both functions are compiled code and the only way to a thread's magazines: a coroutine may
// continue on another thread, so no thread-local address is ever taken inline.
#pragma once

#include <sluice/config.hpp>

#include <cstddef>
#include <cstdint>

namespace sluice::detail {

/// Memory for a frame of `size` bytes, aligned to 16.
/// Errors: throws std::bad_alloc.
/// Threads: any; also while a thread's thread_locals are destroyed, and after main. Not from a
/// signal handler.
/// Cost: a few ns, no lock and no atomic read-modify-write; one lock in 63 frames when a thread
/// only allocates or only frees. Frames over 4 KiB come from operator new.
SLUICE_EXPORT void* frame_allocate(std::size_t size);

/// Gives back what frame_allocate(size) returned; the thread may be another. Cost: as above.
SLUICE_EXPORT void frame_free(void* frame, std::size_t size) noexcept;

/// Sizes are rounded up to one of this many classes: 16 bytes apart up to 1 KiB, then 64, then 128
/// up to 4 KiB (at most 6.2 % lost above 240 bytes).
inline constexpr unsigned frame_class_count = 96;

struct frame_class_stats {
  std::size_t bytes = 0;   // of one frame
  std::size_t live = 0;    // frames
  std::size_t cached = 0;  // frames: free, in magazines
};

/// A snapshot, exact for what happened before the call; what other threads do meanwhile may be in
/// it or not.
struct frame_stats {
  bool pooled = false;           // false under ASan, TSan and valgrind: frames are the heap's own
  std::size_t live_frames = 0;   // allocated and not freed
  std::size_t live_bytes = 0;    // theirs, rounded up to their classes
  std::size_t peak_bytes = 0;    // highest live_bytes: looked at when magazines change hands and
                                 // here, so within two magazines per class and thread, and
                                 // 64 KiB of large frames per thread, either way
  std::size_t cached_bytes = 0;  // in free frames, kept for reuse
  std::size_t large_frames = 0;  // of the live ones: from operator new
  std::size_t large_bytes = 0;   // theirs
  std::size_t slabs = 0;         // mappings that frames are cut from; never unmapped
  std::size_t slab_bytes = 0;    // theirs: address space, resident once touched
  frame_class_stats classes[frame_class_count];
};

/// Adds up the counters of all threads. Threads: any. Cost: one lock per class, O(threads) each.
SLUICE_EXPORT frame_stats frame_pool_stats() noexcept;

}  // namespace sluice::detail
