// SPDX-License-Identifier: MIT
// Magazines changing hands, and frames cut from slabs.
//
// The first slab is 1 MiB of ordinary pages: a program with a few hundred frames stays small. The
// others are 2 MiB, aligned, and ask for huge pages: the first touch of fresh memory then costs
// 32 ns per 300 bytes instead of 115 to 170.
#include "coro/frame_depot.hpp"

#include <sluice/detail/base/assert.hpp>

#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

#include <sys/mman.h>

namespace sluice::detail {

namespace {

constexpr std::size_t first_slab_bytes = std::size_t{1} << 20;
constexpr std::size_t slab_bytes = std::size_t{2} << 20;  // a huge page on x86-64 and arm64
constexpr std::size_t record_bytes = std::size_t{64} << 10;
constexpr unsigned first_batch = 8;  // frames

std::byte* map(std::size_t bytes) noexcept {
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return at == MAP_FAILED ? nullptr : static_cast<std::byte*>(at);
}

/// `bytes` aligned to `bytes`, a power of two.
std::byte* map_aligned(std::size_t bytes) noexcept {
  std::byte* start = map(2 * bytes);
  if (start == nullptr) return nullptr;
  const std::size_t before = (bytes - reinterpret_cast<std::uintptr_t>(start) % bytes) % bytes;
  if (before != 0) ::munmap(start, before);
  ::munmap(start + before + bytes, bytes - before);
  return start + before;
}

}  // namespace

constinit frame_depot frame_depots[frame_class_count];
constinit slab_source frame_slabs;

// Frames may be freed by the destructors of static objects.
static_assert(std::is_trivially_destructible_v<frame_depot>);
static_assert(std::is_trivially_destructible_v<slab_source>);

void frame_depot::push_empty(magazine* m) noexcept {
  m->next = empty_;
  empty_ = m;
}

magazine* frame_depot::pop_empty() noexcept {
  magazine* m = empty_;
  SLUICE_ASSERT(m != nullptr, "frame pool: no empty magazine [D3]");
  empty_ = m->next;
  return m;
}

void frame_depot::push_loose(unsigned cls, void* frame) noexcept {
  if (loose_ == nullptr) loose_ = pop_empty();
  loose_->frames[loose_frames_++] = frame;
  if (loose_frames_ == magazine_capacity(cls)) {
    loose_->next = full_;
    full_ = loose_;
    loose_ = nullptr;
    loose_frames_ = 0;
  }
}

void* frame_depot::pop_loose() noexcept {
  void* frame = loose_->frames[--loose_frames_];
  if (loose_frames_ == 0) {
    push_empty(loose_);
    loose_ = nullptr;
  }
  return frame;
}

void frame_depot::push(unsigned cls, filled m) noexcept {
  if (m.frames == magazine_capacity(cls)) {
    m.of->next = full_;
    full_ = m.of;
    return;
  }
  while (m.frames != 0 && loose_ != nullptr)
    push_loose(cls, m.of->frames[--m.frames]);
  if (m.frames == 0) {
    push_empty(m.of);
  } else {
    loose_ = m.of;
    loose_frames_ = m.frames;
  }
}

filled frame_depot::take(unsigned cls, magazine* spent) noexcept {
  const spin_guard guard(lock_);
  filled got;
  if (full_ != nullptr) {
    got = {full_, magazine_capacity(cls)};
    full_ = full_->next;
  } else if (loose_ != nullptr) {
    got = {std::exchange(loose_, nullptr), std::exchange(loose_frames_, 0)};
  } else {
    return {};
  }
  push_empty(spent);
  return got;
}

magazine* frame_depot::give(magazine* full) noexcept {
  const spin_guard guard(lock_);
  full->next = full_;
  full_ = full;
  return pop_empty();
}

void frame_depot::replace(filled cut, magazine* spent) noexcept {
  const spin_guard guard(lock_);
  cut_ += cut.frames;
  push_empty(spent);
}

void frame_depot::leave(unsigned cls, filled loaded, filled previous,
                        std::ptrdiff_t live) noexcept {
  const spin_guard guard(lock_);
  push(cls, loaded);
  push(cls, previous);
  live_ += live;
}

void* frame_depot::take_one(unsigned cls) noexcept {
  const spin_guard guard(lock_);
  if (loose_ == nullptr) {
    if (full_ == nullptr) return nullptr;
    loose_ = std::exchange(full_, full_->next);
    loose_frames_ = magazine_capacity(cls);
  }
  ++live_;
  return pop_loose();
}

void* frame_depot::take_one(unsigned cls, filled cut) noexcept {
  const spin_guard guard(lock_);
  void* frame = cut.of->frames[--cut.frames];
  cut_ += cut.frames + 1;
  ++live_;
  push(cls, cut);
  return frame;
}

void frame_depot::give_one(unsigned cls, void* frame) noexcept {
  const spin_guard guard(lock_);
  push_loose(cls, frame);
  --live_;
}

frame_depot::counts frame_depot::inspect() noexcept {
  const spin_guard guard(lock_);
  return {live_, cut_};
}

filled slab_source::cut(unsigned cls) {
  const std::lock_guard guard(mutex_);
  const std::size_t bytes = frame_class_bytes(cls);
  void* record = record_locked(sizeof(magazine));
  if (record == nullptr) throw std::bad_alloc();
  if (static_cast<std::size_t>(end_ - next_) < bytes && !add_slab()) {
    // the magazine is lost to the pool; the process is out of address space anyway
    throw std::bad_alloc();
  }
  const unsigned wanted = std::clamp(2U * batch_[cls], first_batch, magazine_capacity(cls));
  batch_[cls] = static_cast<unsigned short>(wanted);
  const filled made{::new (record) magazine,
                    std::min(wanted, static_cast<unsigned>((end_ - next_) / bytes))};
  // Last first: frames are handed out from the end, in the order of their addresses.
  for (unsigned i = made.frames; i-- > 0; next_ += bytes)
    made.of->frames[i] = next_;
  return made;
}

void* slab_source::record(std::size_t bytes) noexcept {
  const std::lock_guard guard(mutex_);
  return record_locked(bytes);
}

void* slab_source::record_locked(std::size_t bytes) noexcept {
  bytes = (bytes + cache_line - 1) / cache_line * cache_line;
  if (static_cast<std::size_t>(end_records_ - next_record_) < bytes) {
    std::byte* more = map(record_bytes);
    if (more == nullptr) return nullptr;
    next_record_ = more;
    end_records_ = more + record_bytes;
  }
  return std::exchange(next_record_, next_record_ + bytes);
}

bool slab_source::add_slab() noexcept {
  const bool first = slabs_ == 0;
  const std::size_t bytes = first ? first_slab_bytes : slab_bytes;
  std::byte* slab = first ? map(bytes) : map_aligned(bytes);
  if (slab == nullptr) return false;
  // Advice only: where the system never gives huge pages the slab has ordinary ones.
  ::madvise(slab, bytes, first ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
  next_ = slab;
  end_ = slab + bytes;
  ++slabs_;
  slab_bytes_ += bytes;
  return true;
}

void slab_source::totals(std::size_t& slabs, std::size_t& bytes) noexcept {
  const std::lock_guard guard(mutex_);
  slabs = slabs_;
  bytes = slab_bytes_;
}

}  // namespace sluice::detail
