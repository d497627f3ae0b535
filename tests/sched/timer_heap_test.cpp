// SPDX-License-Identifier: MIT
// Timers against a reference: order, removal, and deadlines whose wait somebody else has ended.
#include "sched/timer_heap.hpp"

#include "sched/routine.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using detail::claim_word;
using detail::routine;
using detail::timer_heap;
using detail::timer_node;

namespace {

constexpr detail::wait_kind no_kind{wait_reason::sleep, nullptr, nullptr, nullptr};

class still : public detail::wait_point {
 public:
  explicit still(routine& r) noexcept : wait_point({&r, {}}, no_kind) {}
};

/// A routine that sleeps, as far as a heap can tell.
struct sleeper {
  routine r;
  still wait{r};
  timer_node node{wait};

  void sleep_in(timer_heap& h, std::int64_t at) {
    h.lock_with_room();
    h.add(node, time_point(duration(at)));
    CHECK(r.claim.arm(claim_word::armed, r));
    h.unlock();
  }
  /// Somebody else has ended the wait.
  void wake_up(timer_heap& h) {
    CHECK(r.claim.claim_armed());
    h.remove(node);
    r.claim.run();
  }
};

std::vector<routine*> expire(timer_heap& h, std::int64_t now) {
  std::vector<routine*> all;
  for (routine* r = h.expire(time_point(duration(now))).routines; r != nullptr;) {
    routine* next = r->next;
    all.push_back(r);
    r = next;
  }
  return all;
}

}  // namespace

TEST_SUITE("sched/timer_heap") {
  TEST_CASE("timer_heap: empty, it has no deadline and nothing to expire") {
    timer_heap h;
    CHECK(h.next() == time_point::max());
    CHECK(h.size() == 0);
    CHECK(expire(h, INT64_MAX).empty());
  }

  TEST_CASE("timer_heap: expires what is due, earliest first, and nothing else") {
    timer_heap h;
    std::vector<std::unique_ptr<sleeper>> all;
    for (const std::int64_t at : {50, 10, 40, 20, 30, 20}) {
      all.push_back(std::make_unique<sleeper>());
      all.back()->sleep_in(h, at);
    }
    CHECK(h.next() == time_point(duration(10)));
    CHECK(expire(h, 9).empty());
    const auto due = expire(h, 30);
    REQUIRE(due.size() == 4);
    CHECK(due[0] == &all[1]->r);
    CHECK(due[3] == &all[4]->r);
    CHECK(h.next() == time_point(duration(40)));
    CHECK(expire(h, 1000).size() == 2);
    CHECK(h.next() == time_point::max());
  }

  TEST_CASE(
      "timer_heap: one whose wait has been ended is dropped, and may be taken out after that") {
    timer_heap h;
    sleeper a;
    sleeper b;
    a.sleep_in(h, 1);
    b.sleep_in(h, 2);
    CHECK(a.r.claim.claim_armed());
    const auto due = expire(h, 5);
    REQUIRE(due.size() == 1);
    CHECK(due[0] == &b.r);
    h.remove(a.node);
    h.remove(b.node);
    CHECK(h.size() == 0);
  }

  TEST_CASE("timer_heap: a hundred thousand random steps agree with a sorted map") {
    std::mt19937_64 random(11);
    timer_heap h;
    std::vector<std::unique_ptr<sleeper>> pool;
    for (int i = 0; i < 700; ++i)
      pool.push_back(std::make_unique<sleeper>());
    std::vector<sleeper*> idle;
    for (auto& s : pool)
      idle.push_back(s.get());
    std::multimap<std::int64_t, sleeper*> reference;
    std::int64_t now = 0;
    for (int step = 0; step < 100'000; ++step) {
      const auto dice = random() % 16;
      if (dice < 9 && !idle.empty()) {
        sleeper* s = idle.back();
        idle.pop_back();
        const auto at = now + static_cast<std::int64_t>(random() % 1000);
        s->sleep_in(h, at);
        reference.emplace(at, s);
      } else if (dice < 13 && !reference.empty()) {
        auto at = reference.begin();
        std::advance(at, static_cast<std::ptrdiff_t>(random() % reference.size()));
        at->second->wake_up(h);
        idle.push_back(at->second);
        reference.erase(at);
      } else if (dice == 15) {
        now += static_cast<std::int64_t>(random() % 100);
        std::int64_t last = INT64_MIN;
        for (routine* r : expire(h, now)) {
          auto at = reference.begin();
          while (at != reference.end() && &at->second->r != r)
            ++at;
          REQUIRE(at != reference.end());
          CHECK(at->first >= last);
          CHECK(at->first <= now);
          last = at->first;
          r->claim.run();
          idle.push_back(at->second);
          reference.erase(at);
        }
      }
      REQUIRE(h.size() == reference.size());
      const std::int64_t first = reference.empty() ? INT64_MAX : reference.begin()->first;
      REQUIRE(h.next().time_since_epoch().count() == first);
    }
    CHECK(h.size() > 0);
  }
}
