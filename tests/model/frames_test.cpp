// SPDX-License-Identifier: MIT
// The frame pool: lib/coro/frame_depot.cpp and frame_alloc.cpp, as they are, but for one class of
// frames, two frames to a magazine, and thread-locals and the registry's mutex that are simulated.
#include "coro/frame_alloc.hpp"
#include "model/checker/model.hpp"
#include "model/checker/plain.hpp"
#include "model/support/check.hpp"
#include "model/support/frame_thread.hpp"

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <new>

namespace {

using namespace sluice::detail;
using model::run;
using model_test::frame_thread;

constexpr std::size_t frame_bytes = 16;  // of the one class

static_assert(frame_class_count == 1 && frame_class_bytes(0) == frame_bytes &&
                  magazine_capacity(0) == 2,
              "few enough frames for all interleavings");

/// The pool as it is before the first frame, with memory of its own; what has become of each frame.
class frames {
 public:
  frames() {
    forget_frames();
    ::new (&frame_depots[0]) frame_depot;
    ::new (&frame_slabs) slab_source;
    frame_slabs.next_ = memory_;
    frame_slabs.end_ = memory_ + sizeof memory_;
    frame_slabs.next_record_ = records_;
    frame_slabs.end_records_ = records_ + sizeof records_;
    model::thread_slot() = &program_;
  }

  /// `body` on a thread that leaves in the end. `without`: it cannot have magazines.
  template <class F>
  void thread(run& x, const char* name, F body, bool without = false) {
    frame_thread& own = threads_[thread_count_++];
    own.without = without;
    x.thread(name, [this, &own, body] {
      model::thread_slot() = &own;
      body();
      leave();
    });
  }

  /// The calling thread's end.
  void leave() {
    if (model_test::this_frame_thread().cache == nullptr) return;
    leave_frames();
  }

  void* take() {
    void* frame = frame_allocate(frame_bytes);
    const std::size_t i = index_of(frame);
    model::require(!is_out_[i], "a frame is handed out twice");
    is_out_[i] = true;
    written_[i] = written_[i] + 1;  // ordered after its last owner's
    ++out_;
    return frame;
  }
  void give(void* frame) {
    const std::size_t i = index_of(frame);
    written_[i] = written_[i] + 1;
    is_out_[i] = false;
    --out_;
    frame_free(frame, frame_bytes);
  }
  /// Takes `n` frames, then gives them.
  template <std::size_t N>
  void take_and_give() {
    void* held[N];
    for (void*& each : held)
      each = take();
    for (void* each : held)
      give(each);
  }

  /// After all threads have left.
  void check() {
    frame_depot& d = frame_depots[0];
    std::size_t magazines = 0;
    std::size_t in_depot = 0;
    bool seen[most] = {};
    const auto find = [&](magazine* m, unsigned n) {
      ++magazines;
      for (unsigned i = 0; i < n; ++i, ++in_depot) {
        const std::size_t at = index_of(m->frames[i]);
        model::require(!seen[at] && !is_out_[at], "a frame is in the depot twice");
        seen[at] = true;
      }
    };
    for (magazine* m = d.full_; m != nullptr; m = m->next)
      find(m, magazine_capacity(0));  // D1
    if (d.loose_ != nullptr) {
      model::require(d.loose_frames_ >= 1 && d.loose_frames_ < magazine_capacity(0),
                     "a loose magazine is empty or full [D2]");
      find(d.loose_, d.loose_frames_);
    }
    for (magazine* m = d.empty_; m != nullptr; m = m->next)
      find(m, 0);
    const auto cut = static_cast<std::size_t>(frame_slabs.next_ - memory_) / frame_bytes;
    model::require(in_depot + out_ == cut, "a frame is lost");
    model::require(magazines == magazines_made(), "a magazine is lost [D3]");
    model::require(d.cut_ == cut, "frames are cut and not counted");
    model::require(d.live_ == static_cast<std::ptrdiff_t>(out_), "live frames are miscounted");
    model::require(told_frame_bytes() == static_cast<std::int64_t>(out_ * frame_bytes),
                   "live bytes are miscounted");
    const frame_stats s = frame_pool_stats();
    model::require(s.live_frames == out_ && s.classes[0].cached == in_depot,
                   "the stats say otherwise");
  }

 private:
  static constexpr std::size_t most = 24;

  std::size_t index_of(const void* frame) const {
    const auto at = static_cast<std::size_t>(static_cast<const std::byte*>(frame) - memory_);
    model::require(at % frame_bytes == 0 && at / frame_bytes < most, "a frame is none of the slab");
    return at / frame_bytes;
  }
  std::size_t magazines_made() const {
    std::size_t caches = 0;
    for (const frame_cache* c = first_frame_cache(); c != nullptr; c = c->next)
      ++caches;
    constexpr std::size_t cache_bytes =
        (sizeof(frame_cache) + cache_line - 1) / cache_line * cache_line;
    const auto bytes = static_cast<std::size_t>(frame_slabs.next_record_ - records_);
    return (bytes - caches * cache_bytes) / sizeof(magazine);
  }

  alignas(cache_line) std::byte memory_[most * frame_bytes];
  alignas(cache_line) std::byte records_[4096] = {};
  bool is_out_[most] = {};  // of the checks, not watched
  std::size_t out_ = 0;
  model::plain<int> written_[most];
  frame_thread program_;
  frame_thread threads_[4];
  std::size_t thread_count_ = 0;
};

/// Frames that the program has taken, on their way to the threads.
template <std::size_t N>
struct handed {
  explicit handed(frames& f) {
    for (void*& each : at)
      each = f.take();
    f.leave();
  }
  void* at[N];
};

/// Each finds no frame at first, cuts its own, and gives more than its magazines hold.
[[maybe_unused]] void both_take_and_give(run& x) {
  frames f;
  f.thread(x, "first", [&] { f.take_and_give<3>(); });
  f.thread(x, "second", [&] { f.take_and_give<3>(); });
  x.join();
  f.check();
}

/// Full magazines come in and go out at the same time.
[[maybe_unused]] void one_gives_one_takes(run& x) {
  frames f;
  handed<6> h(f);
  f.thread(x, "giver", [&] {
    for (void* each : h.at)
      f.give(each);
  });
  f.thread(x, "taker", [&] { f.take_and_give<5>(); });
  x.join();
  f.check();
}

/// Threads that leave with half a magazine, and one that never has any.
[[maybe_unused]] void leave_against_loose(run& x) {
  frames f;
  handed<3> h(f);
  f.thread(x, "leaver", [&] { f.give(h.at[0]); });
  f.thread(x, "other leaver", [&] { f.give(h.at[1]); });
  f.thread(
      x, "without",
      [&] {
        f.give(h.at[2]);
        f.take_and_give<2>();
      },
      true);
  x.join();
  f.check();
}

/// What a thread leaves of a magazine is another's at once.
[[maybe_unused]] void leave_against_taker(run& x) {
  frames f;
  handed<2> h(f);
  f.thread(x, "leaver", [&] { f.give(h.at[0]); });
  f.thread(x, "taker", [&] { f.take_and_give<2>(); });
  f.thread(x, "other taker", [&] { f.take_and_give<1>(); });
  x.join();
  f.check();
}

/// Two threads that have no magazines.
[[maybe_unused]] void both_without(run& x) {
  frames f;
  handed<1> h(f);
  f.thread(
      x, "giver",
      [&] {
        f.give(h.at[0]);
        f.take_and_give<1>();
      },
      true);
  f.thread(x, "taker", [&] { f.take_and_give<3>(); }, true);
  x.join();
  f.check();
}

/// The stats are exact for what happened before, while who did it leaves.
[[maybe_unused]] void stats_against_leave(run& x) {
  frames f;
  atomic<bool> taken{false};
  f.thread(x, "leaver", [&] {
    f.take();
    f.take();
    taken.store(true, std::memory_order_release);  // release: pairs with the reader's
  });
  x.thread("reader", [&] {
    model::wait_until("two frames", [&] { return taken.latest(); });
    static_cast<void>(taken.exchange(true, std::memory_order_acquire));  // acquire: as above
    model::require(frame_pool_stats().live_frames == 2, "live frames are counted twice or nowhere");
  });
  x.join();
  f.check();
}

}  // namespace

#if !defined(MODEL_FAULT)

TEST_SUITE("model/frames") {
  TEST_CASE("frames: two threads take and give") {
    model_test::holds("frames, both take and give", {.preemptions = 3, .stale = 0},
                      both_take_and_give);
  }

  TEST_CASE("frames: one thread gives what another takes") {
    model_test::holds("frames, one gives, one takes", {.preemptions = 3, .stale = 0},
                      one_gives_one_takes);
  }

  TEST_CASE("frames: threads leave while one has no magazines") {
    model_test::holds("frames, leaving", {.preemptions = 2, .stale = 1}, leave_against_loose);
    model_test::holds("frames, leaving, two takers", {.preemptions = 2, .stale = 0},
                      leave_against_taker);
    model_test::holds("frames, without magazines", {.preemptions = 3, .stale = 2}, both_without);
  }

  TEST_CASE("frames: they are counted while a thread leaves") {
    model_test::holds("frames, stats", {.preemptions = 4, .stale = 3}, stats_against_leave);
  }

  TEST_CASE("frames: two threads take and give, threads leave, further apart [long]") {
    model_test::holds("frames, both take and give", {.preemptions = 3, .stale = 2},
                      both_take_and_give);
    model_test::holds("frames, one gives, one takes", {.preemptions = 3, .stale = 2},
                      one_gives_one_takes);
    model_test::holds("frames, leaving, two takers", {.preemptions = 2, .stale = 1},
                      leave_against_taker);
  }

  TEST_CASE("frames: an order that is too weak is found") {
    using enum std::memory_order;
    model_test::finds("race", "frames, a lock is taken without an acquire",
                      {.weaken = {{"spin_lock.hpp", "try_lock", model::changes, acquire, relaxed}}},
                      one_gives_one_takes);
    model_test::finds("race", "frames, a lock is let go of without a release",
                      {.weaken = {{"spin_lock.hpp", "unlock", model::stores, release, relaxed}}},
                      one_gives_one_takes);
  }
}

#else

TEST_SUITE("model/frames, faulty") {
  TEST_CASE("frames: " MODEL_FAULT " is found") {
    model_test::finds(MODEL_FINDS, "frames, " MODEL_FAULT, {.preemptions = 2, .stale = 1},
                      MODEL_PROGRAM);
  }
}

#endif
