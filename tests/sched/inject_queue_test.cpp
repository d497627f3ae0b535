// SPDX-License-Identifier: MIT
#include "sched/inject_queue.hpp"

#include "sched/routine.hpp"
#include "support/watchdog.hpp"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice_test;
using sluice::detail::inject_queue;
using sluice::detail::routine;

namespace {

void push_one(inject_queue& q, routine& r) {
  q.push(&r, &r, 1);
}

std::vector<routine*> list_of(routine* first) {
  std::vector<routine*> all;
  for (; first != nullptr; first = first->next)
    all.push_back(first);
  return all;
}

}  // namespace

TEST_SUITE("sched/inject_queue") {
  TEST_CASE("inject_queue: first in, first out, one by one and in chains") {
    inject_queue q;
    routine r[6];
    CHECK(q.empty());
    CHECK(q.pop(1) == nullptr);
    push_one(q, r[0]);
    r[1].next = &r[2];
    r[2].next = &r[3];
    q.push(&r[1], &r[3], 3);
    push_one(q, r[4]);
    CHECK(q.size() == 5);
    CHECK(list_of(q.pop(1)) == std::vector<routine*>{&r[0]});
    CHECK(list_of(q.pop(2)) == std::vector<routine*>{&r[1], &r[2]});
    CHECK(q.size() == 2);
    push_one(q, r[5]);
    CHECK(list_of(q.pop(100)) == std::vector<routine*>{&r[3], &r[4], &r[5]});
    CHECK(q.empty());
    CHECK(q.pop(100) == nullptr);
    push_one(q, r[0]);
    CHECK(list_of(q.pop(1)) == std::vector<routine*>{&r[0]});
  }

  TEST_CASE("inject_queue: each routine comes out once, with many threads at both ends") {
    watchdog dog("inject queue");
    constexpr int pushers = 2;
    const int each = rounds(100'000);
    inject_queue q;
    std::unique_ptr<routine[]> all(new routine[static_cast<std::size_t>(pushers * each)]);
    std::unique_ptr<std::atomic<int>[]> seen(
        new std::atomic<int>[static_cast<std::size_t>(pushers * each)]());
    std::atomic<int> taken{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < pushers; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < each; ++i)
          push_one(q, all[static_cast<std::size_t>(t * each + i)]);
      });
    }
    for (std::size_t t = 0; t < 2; ++t) {
      threads.emplace_back([&, t] {
        while (taken.load(std::memory_order_relaxed) != pushers * each) {
          routine* r = q.pop(1 + t * 7);
          if (r == nullptr) std::this_thread::yield();
          while (r != nullptr) {
            routine* next = r->next;
            seen[static_cast<std::size_t>(r - all.get())].fetch_add(1, std::memory_order_relaxed);
            taken.fetch_add(1, std::memory_order_relaxed);
            dog.progress();
            r = next;
          }
        }
      });
    }
    for (std::thread& t : threads)
      t.join();
    int wrong = 0;
    for (int i = 0; i < pushers * each; ++i)
      wrong += seen[static_cast<std::size_t>(i)].load() == 1 ? 0 : 1;
    CHECK(wrong == 0);
    CHECK(q.empty());
  }
}
