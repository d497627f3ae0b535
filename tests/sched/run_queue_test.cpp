// SPDX-License-Identifier: MIT
// The worker's ring: order, limits, stealing half; and each item once with thieves at work.
#include "sched/run_queue.hpp"

#include "sched/run_next.hpp"
#include "support/watchdog.hpp"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice_test;
using sluice::detail::run_next_slot;
using sluice::detail::run_queue;

namespace {

struct item {
  int number = 0;
  std::atomic<int> seen{0};
};

using small_queue = run_queue<item, 8>;

std::vector<item> numbered(int n) {
  std::vector<item> all(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i)
    all[static_cast<std::size_t>(i)].number = i;
  return all;
}

}  // namespace

TEST_SUITE("sched/run_queue") {
  TEST_CASE("run_queue: first in, first out, over many times round the ring") {
    auto items = numbered(8);
    small_queue q;
    CHECK(q.empty());
    CHECK(q.pop() == nullptr);
    int in = 0;
    int out = 0;
    for (int round = 0; round < 100; ++round) {
      for (int i = 0; i < 1 + round % 8; ++i) {
        CHECK(q.push(&items[static_cast<std::size_t>(in++ % 8)]));
      }
      CHECK(q.size() == static_cast<std::uint32_t>(in - out));
      while (item* x = q.pop())
        CHECK(x->number == out++ % 8);
      CHECK(q.empty());
    }
    CHECK(in == out);
  }

  TEST_CASE("run_queue: a full ring refuses, and its older half can be taken at once") {
    auto items = numbered(9);
    small_queue q;
    item* half[small_queue::capacity / 2];
    for (std::size_t i = 0; i < 8; ++i) {
      CHECK(q.pop_half(half) == 0);  // not full
      CHECK(q.push(&items[i]));
    }
    CHECK_FALSE(q.push(&items[8]));
    CHECK(q.size() == 8);
    CHECK(q.pop_half(half) == 4);
    for (std::size_t i = 0; i < 4; ++i)
      CHECK(half[i] == &items[i]);
    CHECK(q.push(&items[8]));
    for (std::size_t i = 4; i < 9; ++i)
      CHECK(q.pop() == &items[i]);
    CHECK(q.empty());
  }

  TEST_CASE("run_queue: a thief gets the oldest, and the rest of the older half in its own ring") {
    for (int n = 0; n <= 8; ++n) {
      CAPTURE(n);
      auto items = numbered(8);
      small_queue victim;
      small_queue thief;
      for (int i = 0; i < n; ++i)
        CHECK(victim.push(&items[static_cast<std::size_t>(i)]));
      std::uint32_t taken = 0;
      item* first = thief.empty() ? victim.steal(thief, taken) : nullptr;
      if (n == 0) {
        CHECK(first == nullptr);
        continue;
      }
      const auto half = static_cast<std::uint32_t>(n - n / 2);
      CHECK(first == &items[0]);
      CHECK(taken == half);
      CHECK(thief.size() == half - 1);
      CHECK(victim.size() == static_cast<std::uint32_t>(n) - half);
      for (std::uint32_t i = 1; i < half; ++i)
        CHECK(thief.pop() == &items[i]);
      for (std::uint32_t i = half; i < static_cast<std::uint32_t>(n); ++i) {
        CHECK(victim.pop() == &items[i]);
      }
    }
  }

  TEST_CASE("run_queue: each item comes out once, whoever takes it") {
    constexpr int thieves = 3;
    const int n = rounds(1'000'000);
    watchdog dog("run queue");
    auto items = numbered(n);
    small_queue owner;
    std::atomic<bool> over{false};
    std::atomic<int> taken_all{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < thieves; ++t) {
      threads.emplace_back([&] {
        small_queue mine;
        while (!over.load(std::memory_order_acquire)) {
          std::uint32_t taken = 0;
          item* x = owner.steal(mine, taken);
          if (x == nullptr) {
            std::this_thread::yield();
            continue;
          }
          for (; x != nullptr; x = mine.pop()) {
            x->seen.fetch_add(1, std::memory_order_relaxed);
            taken_all.fetch_add(1, std::memory_order_relaxed);
          }
        }
      });
    }
    item* half[small_queue::capacity / 2];
    const auto take = [&](item* x) {
      x->seen.fetch_add(1, std::memory_order_relaxed);
      taken_all.fetch_add(1, std::memory_order_relaxed);
    };
    for (int i = 0; i < n; ++i) {
      while (!owner.push(&items[static_cast<std::size_t>(i)])) {
        for (std::uint32_t k = owner.pop_half(half); k > 0; --k)
          take(half[k - 1]);
      }
      if (i % 3 == 0) {
        if (item* x = owner.pop()) take(x);
      }
      if (i % 1024 == 0) dog.progress();
    }
    while (item* x = owner.pop())
      take(x);
    while (taken_all.load(std::memory_order_relaxed) != n)
      std::this_thread::yield();
    over.store(true, std::memory_order_release);
    for (std::thread& t : threads)
      t.join();
    int wrong = 0;
    for (const item& x : items)
      wrong += x.seen.load() == 1 ? 0 : 1;
    CHECK(wrong == 0);
  }

  TEST_CASE("run_next: what is put in comes out, unless a rescuer has it") {
    auto items = numbered(2);
    run_next_slot<item> slot;
    CHECK(slot.empty());
    CHECK(slot.exchange(&items[0]) == nullptr);
    CHECK(slot.exchange(&items[1]) == &items[0]);
    CHECK(slot.steal() == &items[1]);
    CHECK(slot.steal() == nullptr);
    CHECK(slot.exchange(nullptr) == nullptr);
    CHECK(slot.steal() == nullptr);
    CHECK(slot.exchange(&items[0]) == nullptr);
    CHECK(slot.exchange(nullptr) == &items[0]);
    CHECK(slot.exchange(nullptr) == nullptr);
  }

  TEST_CASE("run_next: each item is had once, by the owner or by a rescuer") {
    const int n = rounds(300'000);
    watchdog dog("run next");
    auto items = numbered(n);
    run_next_slot<item> slot;
    std::atomic<bool> over{false};
    std::vector<std::thread> rescuers;
    for (int t = 0; t < 2; ++t) {
      rescuers.emplace_back([&] {
        while (!over.load(std::memory_order_acquire)) {
          if (item* x = slot.steal()) x->seen.fetch_add(1, std::memory_order_relaxed);
          std::this_thread::yield();
        }
      });
    }
    for (int i = 0; i < n; ++i) {
      item* before = slot.exchange(i % 5 == 4 ? nullptr : &items[static_cast<std::size_t>(i)]);
      if (i % 5 == 4)
        items[static_cast<std::size_t>(i)].seen.fetch_add(1, std::memory_order_relaxed);
      if (before != nullptr) before->seen.fetch_add(1, std::memory_order_relaxed);
      if (i % 1024 == 0) dog.progress();
    }
    if (item* last = slot.exchange(nullptr)) last->seen.fetch_add(1, std::memory_order_relaxed);
    over.store(true, std::memory_order_release);
    for (std::thread& t : rescuers)
      t.join();
    int wrong = 0;
    for (const item& x : items)
      wrong += x.seen.load() == 1 ? 0 : 1;
    CHECK(wrong == 0);
  }
}
