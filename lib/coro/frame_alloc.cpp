// SPDX-License-Identifier: MIT
// The frame pool's hot path, and the life of a thread's magazines.
//
// A thread gets its magazines with its first frame and gives them back by a pthread key, whose
// destructors run after those of thread_local objects. What is allocated or freed after that, or
// where the pool cannot have a key or memory for its records, goes to the depot frame by frame.
//
// Rejected: thread-local lists alone (measured: a thread that only frees grows for ever); an owner
// in each frame and a return queue per thread (10 % slower, and a header in each frame).
#include "coro/frame_alloc.hpp"

#include "base/valgrind.hpp"

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>

#include <pthread.h>

namespace sluice::detail {

namespace {

// Tools that watch the heap must see each frame as an allocation of its own. A build may force the
// pool on (1), to run these tools on the pool itself, or off (0).
#if defined(SLUICE_FRAME_POOL)
constexpr bool pool_built = SLUICE_FRAME_POOL != 0;
#elif defined(SLUICE_ASAN) || defined(SLUICE_TSAN)
constexpr bool pool_built = false;
#else
constexpr bool pool_built = true;
#endif

bool pooled() noexcept {
  if constexpr (!pool_built) return false;
  static const bool use = !on_valgrind();
  return use;
}

// Null: no magazines (yet). The model spares a call into the loader in shared builds, and costs 8
// bytes of the static TLS block.
[[gnu::tls_model("initial-exec")]] constinit thread_local frame_cache* own_cache = nullptr;
// Set once the thread gave its magazines back, or could not have any.
[[gnu::tls_model("initial-exec")]] constinit thread_local bool without_cache = false;

struct cache_registry {
  std::mutex
      mutex;  // guards the rest, and the joining and leaving of caches; before any depot lock
  frame_cache* all = nullptr;
  frame_cache* free = nullptr;
  pthread_key_t key = 0;
  bool has_key = false;
};
constinit cache_registry registry;

// Counters of what is counted nowhere else. relaxed, all four: numbers only.
constinit atomic<std::int64_t> shared_large_frames{0};
constinit atomic<std::int64_t> shared_large_bytes{0};
constinit atomic<std::int64_t> published_bytes{0};  // live bytes, as far as published
constinit atomic<std::int64_t> peak_bytes{0};

void raise_peak(std::int64_t live) noexcept {
  // relaxed: a maximum of numbers, nothing is reached through it
  std::int64_t seen = peak_bytes.load(std::memory_order_relaxed);
  while (live > seen && !peak_bytes.compare_exchange_weak(seen, live, std::memory_order_relaxed,
                                                          std::memory_order_relaxed)) {
  }
}

void publish(std::int64_t bytes) noexcept {
  // relaxed: as above
  raise_peak(published_bytes.fetch_add(bytes, std::memory_order_relaxed) + bytes);
}

void publish(frame_bin& bin, unsigned cls) noexcept {
  // Of live_of() the low half is kept: what changed since is small, and its difference modulo 2^32.
  const auto live = static_cast<std::uint32_t>(frame_bin::live_of(bin.read()));
  const auto change = static_cast<std::int32_t>(live - std::exchange(bin.published, live));
  publish(change * static_cast<std::int64_t>(frame_class_bytes(cls)));
}

// --- the magazines of a thread

void leave_thread(void* cache);

/// Makes `cache` ready for this thread, or gives null: there is no more memory for records or keys.
frame_cache* join_thread() noexcept {
  const std::lock_guard guard(registry.mutex);
  if (!registry.has_key) {
    if (::pthread_key_create(&registry.key, &leave_thread) != 0) return nullptr;
    registry.has_key = true;
  }
  frame_cache* cache = registry.free;
  if (cache == nullptr) {
    void* record = frame_slabs.record(sizeof(frame_cache));
    if (record == nullptr) return nullptr;
    cache = ::new (record) frame_cache;
    cache->next = registry.all;
    registry.all = cache;
    registry.free = cache;
  }
  if (::pthread_setspecific(registry.key, cache) != 0) return nullptr;
  registry.free = cache->next_free;
  cache->next_free = nullptr;
  return cache;
}

/// The thread's magazines, or null when it has none and cannot have any.
frame_cache* ensure_cache() noexcept {
  if (own_cache == nullptr && !without_cache && pooled()) {
    own_cache = join_thread();
    without_cache = own_cache == nullptr;
  }
  return own_cache;
}

void leave_thread(void* arg) {
  auto* cache = static_cast<frame_cache*>(arg);
  own_cache = nullptr;
  without_cache = true;
  // Held throughout: a reader finds each counter here or folded away, never twice or nowhere.
  const std::lock_guard guard(registry.mutex);
  for (unsigned cls = 0; cls < frame_class_count; ++cls) {
    frame_bin& bin = cache->bins[cls];
    if (bin.capacity == 0) continue;
    publish(bin, cls);
    const std::uint64_t w = bin.read();
    frame_depots[cls].leave(cls, {bin.loaded, frame_bin::frames_of(w)},
                            {bin.previous, bin.previous_frames},
                            static_cast<std::ptrdiff_t>(frame_bin::live_of(w)));
    bin.write(0);
    bin.loaded = bin.previous = nullptr;
    bin.capacity = bin.previous_frames = 0;
    bin.published = 0;
  }
  // relaxed: numbers only
  const std::int64_t bytes = cache->large_bytes.exchange(0, std::memory_order_relaxed);
  shared_large_bytes.fetch_add(bytes, std::memory_order_relaxed);
  shared_large_frames.fetch_add(cache->large_frames.exchange(0, std::memory_order_relaxed),
                                std::memory_order_relaxed);
  publish(bytes - std::exchange(cache->large_published, 0));
  cache->next_free = registry.free;
  registry.free = cache;
}

/// Gives a bin its two magazines; false when there is no memory for them.
bool open_bin(frame_bin& bin, unsigned cls) noexcept {
  void* first = frame_slabs.record(sizeof(magazine));
  void* second = frame_slabs.record(sizeof(magazine));
  if (first == nullptr || second == nullptr) return false;
  bin.loaded = ::new (first) magazine;
  bin.previous = ::new (second) magazine;
  bin.capacity = static_cast<std::uint16_t>(magazine_capacity(cls));
  return true;
}

void exchange_magazines(frame_bin& bin) noexcept {
  const unsigned loaded = frame_bin::frames_of(bin.read());
  bin.move(static_cast<int>(bin.previous_frames) - static_cast<int>(loaded));
  bin.previous_frames = static_cast<std::uint16_t>(loaded);
  std::swap(bin.loaded, bin.previous);
}

/// Puts frames into an empty `loaded`. Throws std::bad_alloc.
void refill(frame_bin& bin, unsigned cls) {
  if (bin.previous_frames != 0) return exchange_magazines(bin);
  publish(bin, cls);
  frame_depot& depot = frame_depots[cls];
  filled got = depot.take(cls, bin.loaded);
  if (got.of == nullptr) {
    got = frame_slabs.cut(cls);
    depot.replace(got, bin.loaded);
  }
  bin.loaded = got.of;
  bin.move(static_cast<int>(got.frames));
}

/// Makes room in a full `loaded`.
void drain(frame_bin& bin, unsigned cls) noexcept {
  if (bin.previous_frames != 0) {
    publish(bin, cls);
    bin.previous = frame_depots[cls].give(bin.previous);
    bin.previous_frames = 0;
  }
  exchange_magazines(bin);
}

// --- frames that are not pooled

/// Large frames of this much, in bytes, may be missing from the peak, per thread.
constexpr std::int64_t large_slack = 64 << 10;

void count_large(int frames, std::int64_t bytes) noexcept {
  // relaxed: numbers only
  frame_cache* cache = ensure_cache();
  if (cache == nullptr) {
    shared_large_frames.fetch_add(frames, std::memory_order_relaxed);
    shared_large_bytes.fetch_add(bytes, std::memory_order_relaxed);
    return publish(bytes);
  }
  cache->large_frames.store(cache->large_frames.load(std::memory_order_relaxed) + frames,
                            std::memory_order_relaxed);
  const std::int64_t now = cache->large_bytes.load(std::memory_order_relaxed) + bytes;
  cache->large_bytes.store(now, std::memory_order_relaxed);
  if (std::abs(now - cache->large_published) >= large_slack) {
    publish(now - cache->large_published);
    cache->large_published = now;
  }
}

bool is_large(std::size_t size) noexcept {
  return size - 1 >= frame_max || !pooled();
}

[[gnu::noinline]] void* allocate_slow(std::size_t size) {
  if (is_large(size)) {
    void* frame = ::operator new(size);
    count_large(1, static_cast<std::int64_t>(size));
    return frame;
  }
  const unsigned cls = frame_class_of(size);
  frame_cache* cache = ensure_cache();
  if (cache == nullptr || (cache->bins[cls].capacity == 0 && !open_bin(cache->bins[cls], cls))) {
    void* frame = frame_depots[cls].take_one(cls);
    if (frame == nullptr) frame = frame_depots[cls].take_one(cls, frame_slabs.cut(cls));
    publish(static_cast<std::int64_t>(frame_class_bytes(cls)));
    return frame;
  }
  frame_bin& bin = cache->bins[cls];
  refill(bin, cls);
  const std::uint64_t w = bin.read();
  bin.write(w - 1);
  return bin.loaded->frames[frame_bin::frames_of(w) - 1];
}

[[gnu::noinline]] void free_slow(void* frame, std::size_t size) noexcept {
  if (is_large(size)) {
    ::operator delete(frame, size);
    return count_large(-1, -static_cast<std::int64_t>(size));
  }
  const unsigned cls = frame_class_of(size);
  frame_cache* cache = ensure_cache();
  if (cache == nullptr || (cache->bins[cls].capacity == 0 && !open_bin(cache->bins[cls], cls))) {
    publish(-static_cast<std::int64_t>(frame_class_bytes(cls)));
    return frame_depots[cls].give_one(cls, frame);
  }
  frame_bin& bin = cache->bins[cls];
  if (frame_bin::frames_of(bin.read()) == bin.capacity) drain(bin, cls);
  const std::uint64_t w = bin.read();
  bin.loaded->frames[frame_bin::frames_of(w)] = frame;
  bin.write(w + 1);
}

}  // namespace

void* frame_allocate(std::size_t size) {
  frame_cache* cache = own_cache;
  if (size - 1 < frame_max && cache != nullptr) [[likely]] {
    frame_bin& bin = cache->bins[frame_class_of(size)];
    const std::uint64_t w = bin.read();
    const unsigned frames = frame_bin::frames_of(w);
    if (frames != 0) [[likely]] {
      bin.write(w - 1);
      return bin.loaded->frames[frames - 1];
    }
  }
  return allocate_slow(size);
}

void frame_free(void* frame, std::size_t size) noexcept {
  frame_cache* cache = own_cache;
  if (size - 1 < frame_max && cache != nullptr) [[likely]] {
    frame_bin& bin = cache->bins[frame_class_of(size)];
    const std::uint64_t w = bin.read();
    const unsigned frames = frame_bin::frames_of(w);
    if (frames != bin.capacity) [[likely]] {
      bin.loaded->frames[frames] = frame;
      bin.write(w + 1);
      return;
    }
  }
  free_slow(frame, size);
}

frame_stats frame_pool_stats() noexcept {
  frame_stats out;
  out.pooled = pooled();
  const std::lock_guard guard(registry.mutex);
  // relaxed: numbers only
  std::int64_t large_frames = shared_large_frames.load(std::memory_order_relaxed);
  std::int64_t large_bytes = shared_large_bytes.load(std::memory_order_relaxed);
  for (const frame_cache* c = registry.all; c != nullptr; c = c->next) {
    large_frames += c->large_frames.load(std::memory_order_relaxed);
    large_bytes += c->large_bytes.load(std::memory_order_relaxed);
  }
  // A sum taken while others allocate and free may fall below zero.
  const auto at_least_0 = [](std::int64_t n) {
    return static_cast<std::size_t>(std::max<std::int64_t>(n, 0));
  };
  out.large_frames = at_least_0(large_frames);
  out.large_bytes = at_least_0(large_bytes);
  out.live_frames = out.large_frames;
  out.live_bytes = out.large_bytes;
  for (unsigned cls = 0; cls < frame_class_count; ++cls) {
    frame_class_stats& of = out.classes[cls];
    of.bytes = frame_class_bytes(cls);
    const frame_depot::counts counts = frame_depots[cls].inspect();
    if (counts.cut == 0) continue;
    std::int64_t live = counts.live;
    for (const frame_cache* c = registry.all; c != nullptr; c = c->next) {
      live += frame_bin::live_of(c->bins[cls].read());
    }
    of.live = std::min(at_least_0(live), counts.cut);
    of.cached = counts.cut - of.live;
    out.live_frames += of.live;
    out.live_bytes += of.live * of.bytes;
    out.cached_bytes += of.cached * of.bytes;
  }
  frame_slabs.totals(out.slabs, out.slab_bytes);
  raise_peak(static_cast<std::int64_t>(out.live_bytes));
  out.peak_bytes = static_cast<std::size_t>(peak_bytes.load(std::memory_order_relaxed));
  return out;
}

}  // namespace sluice::detail
