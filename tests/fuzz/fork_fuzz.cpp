// SPDX-License-Identifier: MIT
// Random trees of forks whose nodes wait, meet, fail and are stopped, in bubbles and on threads. Each
// node that is left without having returned or thrown must have a reason: the tree was cancelled, or
// a fork around the node had a child that failed.
//
//   SLUICE_SEED=<seed> build/<preset>/tests/fuzz_tests --test-case='fuzz: trees*'   runs one tree again.
#include <sluice/blocking.hpp>
#include <sluice/chan.hpp>
#include <sluice/error.hpp>
#include <sluice/routine.hpp>
#include <sluice/runtime.hpp>
#include <sluice/testing/bubble.hpp>
#include <sluice/time.hpp>
#include <sluice/when_all.hpp>

#include "base/random.hpp"
#include "fuzz/last_will.hpp"
#include "support/counted.hpp"
#include "support/seeds.hpp"
#include "support/watchdog.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <stdexcept>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using generator = sluice::detail::random;
using sluice_test::counted;
using sluice_test::fresh_seed;
using sluice_test::number_of;
using sluice_test::replays;
using sluice_test::rounds;
using sluice_test::watchdog;

namespace {

struct fork_record {
  const fork_record* outer;
  chan<std::uint64_t> meeting{0};
  std::atomic<bool> failed{false};
  std::atomic<int> live{0};  // children that have begun and not ended
};

struct tree_error : std::runtime_error {
  explicit tree_error(const fork_record* f) : std::runtime_error("tree"), of(f) {}
  const fork_record* of;
};

/// One tree. The counts are of all that happened in it.
struct tree {
  explicit tree(bool is_virtual) noexcept : in_bubble(is_virtual) {}

  const bool in_bubble;  // where time is virtual: there nodes sleep
  std::atomic<bool> cancelled{false};
  std::atomic<int> wrong{0};  // the line that says so
  std::atomic<long> returned{0};
  std::atomic<long> threw{0};
  std::atomic<long> stopped{0};
  std::atomic<long> caught{0};
  std::atomic<int> budget{200};  // nodes

  void expect(bool right, int line = __builtin_LINE()) {
    if (!right) wrong = line;
  }
  bool has_reason_to_stop(const fork_record* in) const {
    for (const fork_record* f = in; f != nullptr; f = f->outer) {
      if (f->failed) return true;
    }
    return cancelled;
  }
};

/// A node, from its first step until its frame is left.
class life {
 public:
  life(tree& t, fork_record& in) noexcept : t_(t), in_(in) { ++in_.live; }
  life(const life&) = delete;
  life& operator=(const life&) = delete;
  ~life() {
    if (!ended_) {
      ++t_.stopped;
      t_.expect(t_.has_reason_to_stop(&in_));
    }
    --in_.live;
  }
  void returns() noexcept {
    ended_ = true;
    ++t_.returned;
  }
  [[noreturn]] void fails() {
    ended_ = true;
    ++t_.threw;
    in_.failed = true;
    throw tree_error(&in_);
  }

 private:
  tree& t_;
  fork_record& in_;
  bool ended_ = false;
  counted alive_;
};

std::uint64_t result_of(std::uint64_t seed) {
  return seed * 31 + 7;
}

task<> wait_somehow(const tree& t, generator& rng) {
  switch (rng.below(6)) {
    case 0:
      co_await yield();
      break;
    case 1:
      if (t.in_bubble) co_await sleep_for(std::chrono::microseconds(rng.below(40)));
      break;
    case 2:
      co_await blocking([] {});
      break;
    default:
      break;
  }
}

task<std::uint64_t> node(tree* t, fork_record* in, std::uint64_t seed, int depth, int place);

/// `meets`: children with an even place send to the next one.
task<> fork_some(tree& t, fork_record& in, generator& rng, int depth) {
  fork_record f{&in};
  const std::uint64_t seed = rng.next();
  const bool meets = rng.below(3) == 0;
  const auto child = [&t, &f, seed, depth, meets](std::size_t i) {
    return node(&t, &f, seed + i, depth, meets ? static_cast<int>(i) : -1);
  };
  std::vector<std::uint64_t> results;
  try {
    switch (rng.below(4)) {
      case 0: {
        auto [a, b] = co_await when_all(child(0), child(1));
        results = {a, b};
        break;
      }
      case 1: {
        auto [a, b, c, d] = co_await when_all(child(0), child(1), child(2), child(3));
        results = {a, b, c, d};
        break;
      }
      default:
        results = co_await when_all(2 * rng.below(6), child);
        break;
    }
    t.expect(!f.failed);
    for (std::size_t i = 0; i != results.size(); ++i)
      t.expect(results[i] == result_of(seed + i));
  } catch (const tree_error& e) {
    ++t.caught;
    t.expect(f.failed && e.of == &f);
  }
  t.expect(f.live == 0);
}

task<std::uint64_t> node(tree* t, fork_record* in, std::uint64_t seed, int depth, int place) {
  life whole(*t, *in);
  generator rng(seed);
  if (place >= 0 && place % 2 == 0) {
    static_cast<void>(co_await in->meeting.send(seed));
  } else if (place >= 0) {
    static_cast<void>(co_await in->meeting.recv());
  }
  const std::uint32_t steps = rng.below(4);
  for (std::uint32_t i = 0; i != steps; ++i) {
    co_await wait_somehow(*t, rng);
    if (depth > 0 && --t->budget > 0 && rng.below(2) == 0) {
      co_await fork_some(*t, *in, rng, depth - 1);
    }
    if (rng.below(24) == 0) whole.fails();
  }
  whole.returns();
  co_return result_of(seed);
}

task<> root(tree* t, std::uint64_t seed) {
  fork_record none{nullptr};
  generator rng(seed);
  for (int i = 0; i != 3; ++i)
    co_await fork_some(*t, none, rng, 4);
}

/// Grows one tree, which it may cancel.
task<> grow(tree* t, std::uint64_t seed) {
  generator rng(seed ^ 0x9E3779B97F4A7C15u);
  join_handle<> h = go(root, t, seed);
  if (rng.below(2) == 0) {
    if (t->in_bubble) {
      co_await sleep_for(std::chrono::microseconds(rng.below(200)));
    } else {
      for (std::uint32_t n = rng.below(100); n != 0; --n)
        co_await yield();
    }
    t->cancelled = true;
    h.cancel();
  }
  try {
    co_await std::move(h);
  } catch (const stopped_error&) {
    t->expect(t->cancelled);
  }
}

struct totals {
  long returned = 0, threw = 0, stopped = 0, caught = 0;
  void add(const tree& t) {
    returned += t.returned;
    threw += t.threw;
    stopped += t.stopped;
    caught += t.caught;
  }
};

}  // namespace

TEST_SUITE("fuzz/forks") {
  TEST_CASE(
      "fuzz: trees of forks in bubbles leave nothing behind, and nobody is stopped without "
      "reason") {
    sluice_fuzz::last_will will("fuzz");
    watchdog dog("fuzz");
    totals all;
    const std::uint64_t fresh = fresh_seed();
    MESSAGE("fresh seeds from ", fresh);
    constexpr std::uint64_t trees = rounds(4'000);
    for (std::uint64_t i = 0; i != trees; ++i) {
      const std::uint64_t seed =
          replays() ? number_of("SLUICE_SEED", 1) : (i % 2 == 0 ? 1 + i / 2 : fresh + i / 2);
      will.now_runs(seed);
      dog.progress();
      counted::reset();
      tree t(true);
      testing::bubble([&t, seed] { return grow(&t, seed); },
                      {.seed = seed, .workers = 1 + static_cast<int>(seed % 4)});
      all.add(t);
      CAPTURE(seed);
      REQUIRE(t.wrong.load() == 0);
      REQUIRE(counted::balanced());
      if (replays()) return;
    }
    MESSAGE(all.returned, " nodes returned, ", all.threw, " threw, ", all.stopped,
            " were stopped; ", all.caught, " forks failed");
    CHECK(all.returned > 0);
    CHECK(all.threw > 0);
    CHECK(all.stopped > 0);
    CHECK(all.caught > 0);
  }

  TEST_CASE("fuzz: trees of forks on threads") {
    watchdog dog("fuzz");
    counted::reset();
    const std::uint64_t fresh = fresh_seed();
    MESSAGE("fresh seeds from ", fresh);
    for (const int workers : {1, 2, 8}) {
      totals all;
      executor ex({.workers = workers});
      constexpr std::uint64_t batches = rounds(60);
      for (std::uint64_t i = 0; i != batches; ++i) {
        std::deque<tree> trees;
        for (int j = 0; j != 16; ++j)
          trees.emplace_back(false);
        std::vector<join_handle<>> handles;
        for (std::size_t j = 0; j != trees.size(); ++j) {
          handles.push_back(ex.go(grow, &trees[j], fresh + 16 * i + j));
        }
        for (join_handle<>& h : handles)
          std::move(h).get();
        for (const tree& t : trees) {
          all.add(t);
          REQUIRE(t.wrong.load() == 0);
        }
        dog.progress();
      }
      CHECK(all.returned > 0);
      CHECK(all.stopped > 0);
    }
    CHECK(counted::balanced());
  }
}
