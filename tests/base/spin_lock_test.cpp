// SPDX-License-Identifier: MIT
// The lock excludes, publishes what was written under it, and is let go of by its guard.
#include <sluice/detail/base/spin_lock.hpp>

#include <thread>
#include <vector>

#include <doctest/doctest.h>

namespace {
using namespace sluice::detail;
}  // namespace

TEST_SUITE("base/spin_lock") {
  TEST_CASE("spin_lock: try_lock fails while it is held") {
    spin_lock lock;
    CHECK(!lock.is_locked());
    {
      const spin_guard guard(lock);
      CHECK(lock.is_locked());
      CHECK(!lock.try_lock());
    }
    CHECK(lock.try_lock());
    lock.unlock();
    CHECK(!lock.is_locked());
  }

  TEST_CASE("spin_lock: one thread at a time, and each sees what the one before wrote") {
    constexpr int threads = 4;
    constexpr int rounds = 50'000;
    spin_lock lock;
    struct {
      long count = 0;
      long twice = 0;
    } shared;
    bool together = true;
    std::vector<std::thread> all;
    for (int t = 0; t < threads; ++t) {
      all.emplace_back([&] {
        for (int i = 0; i < rounds; ++i) {
          const spin_guard guard(lock);
          together = together && shared.twice == 2 * shared.count;
          ++shared.count;
          if (i % 1000 == 0) std::this_thread::yield();  // others meet a holder that does not run
          shared.twice += 2;
        }
      });
    }
    for (std::thread& t : all)
      t.join();
    CHECK(shared.count == threads * rounds);
    CHECK(together);
  }
}
