// SPDX-License-Identifier: MIT
// Frames across sizes, threads and thread ends. What concerns the pool itself is skipped where it
// is bypassed (ASan, TSan, valgrind); the rest runs there too.
#include "coro/frame_alloc.hpp"

#include "support/skip.hpp"

#include <algorithm>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pthread.h>

namespace {

using namespace sluice::detail;

frame_class_stats class_stats(std::size_t size) {
  return frame_pool_stats().classes[frame_class_of(size)];
}

std::size_t frames_cut(std::size_t size) {
  const frame_class_stats s = class_stats(size);
  return s.live + s.cached;
}

bool pool_is_bypassed() {
  if (frame_pool_stats().pooled) return false;
  sluice_test::skip("the frame pool is bypassed under sanitizers and valgrind");
  return true;
}

template <class F>
void on_thread(F f) {
  std::thread(f).join();
}

/// A frame that is freed where and when the object is destroyed.
class frame {
 public:
  explicit frame(std::size_t size) : size_(size), at_(frame_allocate(size)) {}
  frame(frame&& other) noexcept : size_(other.size_), at_(std::exchange(other.at_, nullptr)) {}
  ~frame() {
    if (at_ != nullptr) frame_free(at_, size_);
  }
  void* address() const { return at_; }

 private:
  std::size_t size_;
  void* at_;
};

std::size_t resident_kib() {
  std::FILE* f = std::fopen("/proc/self/statm", "r");
  unsigned long all = 0;
  unsigned long resident = 0;
  const int read = f == nullptr ? 0 : std::fscanf(f, "%lu %lu", &all, &resident);
  if (f != nullptr) std::fclose(f);
  return read == 2 ? resident * 4 : 0;
}

/// Frames on their way from one thread to another, 1024 at most.
struct pipe {
  static constexpr std::size_t slots = 1024;
  void* frames[slots];
  alignas(64) atomic<std::size_t> written{0};
  alignas(64) atomic<std::size_t> read{0};
};

/// Allocates `count` frames here and frees each on another thread.
void move_frames(std::size_t count, std::size_t size) {
  const auto between = std::make_unique<pipe>();
  std::thread consumer([&] {
    for (std::size_t i = 0; i < count;) {
      // acquire: pairs with the producer's release
      const std::size_t end = between->written.load(std::memory_order_acquire);
      if (i == end) std::this_thread::yield();
      for (; i < end; ++i)
        frame_free(between->frames[i % pipe::slots], size);
      between->read.store(i,
                          std::memory_order_release);  // release: pairs with the producer's acquire
    }
  });
  for (std::size_t i = 0; i < count;) {
    // acquire: pairs with the consumer's release: the slots are free again
    const std::size_t room = between->read.load(std::memory_order_acquire) + pipe::slots;
    if (i == room) std::this_thread::yield();
    for (; i < room && i < count; ++i) {
      void* f = frame_allocate(size);
      std::memset(f, 0x5a, 64);
      between->frames[i % pipe::slots] = f;
    }
    between->written.store(
        i, std::memory_order_release);  // release: pairs with the consumer's acquire
  }
  consumer.join();
}

void check_that_moving_frames_does_not_grow_memory(std::size_t count) {
  constexpr std::size_t size = 200;
  move_frames(10 * pipe::slots, size);  // both threads have their magazines' worth
  const std::size_t cut = frames_cut(size);
  const std::size_t resident = resident_kib();
  move_frames(count, size);
  const frame_stats after = frame_pool_stats();
  CHECK(class_stats(size).live == 0);
  if (after.pooled) {
    // In flight, and what two threads may hold in two magazines each.
    CHECK(frames_cut(size) <= std::max(cut, pipe::slots + 6 * magazine::max_frames));
    CHECK(resident_kib() < resident + 4096);
  }
}

/// No other thread has magazines: all frames of the class must be in reach of this one, once each.
void check_that_all_free_frames_are_found(std::size_t size) {
  const std::size_t cut = frames_cut(size);
  const std::size_t free = class_stats(size).cached;
  std::set<void*> addresses;
  std::vector<frame> frames;
  while (frames.size() < free) {
    frames.emplace_back(size);
    addresses.insert(frames.back().address());
  }
  CHECK(addresses.size() == free);
  CHECK(frames_cut(size) == cut);
}

// Freed after main: a failure shows as the exit code of the whole run.
struct freed_after_main {
  frame kept{144};
  ~freed_after_main() {
    const std::size_t before = frame_pool_stats().live_frames;
    {
      const frame moved = std::move(kept);
    }
    if (frame_pool_stats().live_frames != before - 1) std::_Exit(3);
  }
};
freed_after_main keeper;

// Set while a thread ends, by destructors in a known order.
pthread_key_t late_key;
int late_rounds = 0;
#if defined(SLUICE_TSAN)
constexpr int late_round = 3;  // TSan itself has left the thread by the last one
#else
constexpr int late_round = PTHREAD_DESTRUCTOR_ITERATIONS;
#endif

void free_late(void* f) {
  // In the last round: the pool's own key has had its turn, and gets no other.
  if (++late_rounds < late_round) {
    pthread_setspecific(late_key, f);
    return;
  }
  frame_free(f, 96);
  const frame another(96);
  std::memset(another.address(), 1, 96);
}

}  // namespace

TEST_SUITE("coro/frame_alloc") {
  TEST_CASE("frame_alloc: classes are the smallest that hold a size, and lose little") {
    std::size_t before = 0;
    for (unsigned cls = 0; cls < frame_class_count; ++cls) {
      const std::size_t bytes = frame_class_bytes(cls);
      CHECK(bytes % 16 == 0);
      CHECK(frame_class_of(before + 1) == cls);
      CHECK(frame_class_of(bytes) == cls);
      if (before >= 240) CHECK((bytes - before) * 1000 <= bytes * 63);
      CHECK(magazine_capacity(cls) >= 8);
      CHECK(magazine_capacity(cls) * bytes <= 32768);
      before = bytes;
    }
    CHECK(before == frame_max);
  }

  TEST_CASE("frame_alloc: frames of every size are aligned, whole and apart") {
    std::vector<frame> frames;
    constexpr std::size_t largest = frame_max + 100;
    for (std::size_t size = 1; size <= largest; ++size) {
      frames.emplace_back(size);
      void* at = frames.back().address();
      REQUIRE(reinterpret_cast<std::uintptr_t>(at) % 16 == 0);
      std::memset(at, static_cast<int>(size % 251), size);
    }
    for (std::size_t size = 1; size <= largest; ++size) {
      const auto* at = static_cast<const unsigned char*>(frames[size - 1].address());
      REQUIRE(at[0] == size % 251);
      REQUIRE(at[size - 1] == size % 251);
    }
  }

  TEST_CASE("frame_alloc: the frame freed last is handed out first") {
    if (pool_is_bypassed()) return;
    void* first = frame_allocate(300);
    frame_free(first, 300);
    const frame again(290);  // of the same class
    CHECK(again.address() == first);
  }

  TEST_CASE("frame_alloc: live frames are counted, and the peak remembered") {
    const frame_stats before = frame_pool_stats();
    {
      std::vector<frame> frames;
      for (int i = 0; i < 1000; ++i)
        frames.emplace_back(std::size_t{2000});
      const frame_stats during = frame_pool_stats();
      CHECK(during.live_frames == before.live_frames + 1000);
      if (during.pooled) {
        CHECK(during.live_bytes == before.live_bytes + 1000 * 2048);
        CHECK(class_stats(2000).live == before.classes[frame_class_of(2000)].live + 1000);
        CHECK(class_stats(2000).bytes == 2048);
      }
      CHECK(during.peak_bytes >= during.live_bytes);
    }
    const frame_stats after = frame_pool_stats();
    CHECK(after.live_frames == before.live_frames);
    CHECK(after.live_bytes == before.live_bytes);
    CHECK(after.peak_bytes >= before.live_bytes + 1000 * 2000);
    if (after.pooled) CHECK(after.cached_bytes >= 1000 * 2048);
    CHECK(after.slab_bytes >= after.cached_bytes + after.live_bytes - after.large_bytes);
  }

  TEST_CASE("frame_alloc: the peak is seen between two looks at the counters") {
    if (pool_is_bypassed()) return;
    const std::size_t before = frame_pool_stats().peak_bytes;
    const std::size_t live = frame_pool_stats().live_bytes;
    const std::size_t count = (before - live + (64 << 20)) / 512;
    {
      std::vector<frame> frames;
      for (std::size_t i = 0; i < count; ++i)
        frames.emplace_back(std::size_t{512});
    }
    // What threads did with the last two magazines of each class is not in it.
    const std::size_t slack = frame_class_count * 2 * 32768;
    const std::size_t peak = frame_pool_stats().peak_bytes;
    CHECK(peak <= live + count * 512 + slack);
    CHECK(peak + slack >= live + count * 512);
  }

  TEST_CASE("frame_alloc: large frames come from the heap, and are counted") {
    const frame_stats before = frame_pool_stats();
    std::vector<frame> frames;
    on_thread([&] {
      for (int i = 0; i < 100; ++i)
        frames.emplace_back(std::size_t{10000});
    });
    CHECK(frame_pool_stats().large_frames == before.large_frames + 100);
    CHECK(frame_pool_stats().large_bytes == before.large_bytes + 1'000'000);
    CHECK(frame_pool_stats().peak_bytes >= before.live_bytes + 1'000'000);
    frames.clear();
    CHECK(frame_pool_stats().large_frames == before.large_frames);
    CHECK(frame_pool_stats().large_bytes == before.large_bytes);
  }

  TEST_CASE("frame_alloc: threads that come and go reuse one another's frames") {
    if (pool_is_bypassed()) return;
    const auto use = [] {
      std::vector<frame> frames;
      for (int i = 0; i < 200; ++i)
        frames.emplace_back(std::size_t{112});
    };
    on_thread(use);
    const std::size_t cut = frames_cut(112);
    for (int i = 0; i < 200; ++i)
      on_thread(use);
    CHECK(frames_cut(112) == cut);
  }

  TEST_CASE("frame_alloc: a frame outlives its thread, and is counted until another frees it") {
    const std::size_t before = frame_pool_stats().live_frames;
    std::vector<frame> frames;
    on_thread([&] {
      for (int i = 0; i < 100; ++i)
        frames.emplace_back(std::size_t{176});
    });
    CHECK(frame_pool_stats().live_frames == before + 100);
    for (const frame& f : frames)
      std::memset(f.address(), 7, 176);
    on_thread([&] { frames.clear(); });
    CHECK(frame_pool_stats().live_frames == before);
  }

  TEST_CASE("frame_alloc: thread_local destructors may allocate and free") {
    const std::size_t before = frame_pool_stats().live_frames;
    on_thread([] {
      static thread_local std::unique_ptr<frame> early = std::make_unique<frame>(80);
      static thread_local struct user {
        ~user() {
          const frame f(80);
          std::memset(f.address(), 1, 80);
        }
      } late;
      CHECK(early->address() != nullptr);
      CHECK(&late != nullptr);
    });
    CHECK(frame_pool_stats().live_frames == before);
  }

  TEST_CASE("frame_alloc: a thread that gave its magazines back can still allocate and free") {
    REQUIRE(pthread_key_create(&late_key, &free_late) == 0);
    const std::size_t before = frame_pool_stats().live_frames;
    for (int i = 0; i < 100; ++i) {
      late_rounds = 0;
      on_thread([] { pthread_setspecific(late_key, frame_allocate(96)); });
      REQUIRE(late_rounds == late_round);
    }
    CHECK(frame_pool_stats().live_frames == before);
    pthread_key_delete(late_key);
    if (frame_pool_stats().pooled) check_that_all_free_frames_are_found(96);
  }

  TEST_CASE("frame_alloc: no frame is handed out twice while threads trade them") {
    constexpr int threads = 4;
    constexpr int rounds = 60;
    // A table of frames that all threads take from and put into: most are freed by strangers.
    constexpr std::size_t slots = 512;
    static atomic<unsigned char*> table[slots];
    const std::size_t sizes[] = {48, 112, 113, 600, 4096};
    std::vector<std::thread> all;
    atomic<int> torn{0};
    for (int t = 0; t < threads; ++t) {
      all.emplace_back([&, t] {
        std::uint32_t random = 2463534242U + static_cast<std::uint32_t>(t);
        for (int i = 0; i < rounds * 1000; ++i) {
          random ^= random << 13;
          random ^= random >> 17;
          random ^= random << 5;
          const std::size_t slot = random % slots;
          const std::size_t size = sizes[slot % 5];
          auto* mine = static_cast<unsigned char*>(frame_allocate(size));
          std::memset(mine, static_cast<int>(slot % 256), size);
          // acq_rel: the frame's bytes go with it, both ways
          unsigned char* other = table[slot].exchange(mine, std::memory_order_acq_rel);
          if (other == nullptr) continue;
          for (std::size_t b = 0; b < size; b += 37) {
            // relaxed: read after the join
            if (other[b] != slot % 256) torn.fetch_add(1, std::memory_order_relaxed);
          }
          frame_free(other, size);
        }
      });
    }
    for (std::thread& t : all)
      t.join();
    CHECK(torn.load(std::memory_order_relaxed) == 0);
    const std::size_t before = frame_pool_stats().live_frames;
    std::size_t kept = 0;
    for (std::size_t slot = 0; slot < slots; ++slot) {
      unsigned char* f = table[slot].exchange(nullptr, std::memory_order_acquire);
      if (f == nullptr) continue;
      frame_free(f, sizes[slot % 5]);
      ++kept;
    }
    CHECK(frame_pool_stats().live_frames == before - kept);
  }

  TEST_CASE("frame_alloc: each free frame is found again, once, whoever left it") {
    if (pool_is_bypassed()) return;
    check_that_all_free_frames_are_found(112);
  }

  TEST_CASE("frame_alloc: ten million frames freed elsewhere do not grow memory") {
    check_that_moving_frames_does_not_grow_memory(frame_pool_stats().pooled ? 10'000'000 : 300'000);
  }

  TEST_CASE("frame_alloc: a hundred million freed elsewhere do not grow memory [long]") {
    check_that_moving_frames_does_not_grow_memory(frame_pool_stats().pooled ? 100'000'000
                                                                            : 1'000'000);
  }
}
