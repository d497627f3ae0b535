// SPDX-License-Identifier: MIT
// sched/run_queue.hpp: every item is taken exactly once, and whoever takes it sees it.
#include "sched/run_queue.hpp"

#include "model/checker/plain.hpp"
#include "model/support/check.hpp"

#include <initializer_list>

namespace {

using namespace sluice::detail;
using model::run;

struct item {
  model::plain<int> value{0};  // written before the push, read by the taker
  int taken = 0;               // of the checks
};

constexpr int most = 6;

/// A queue, its owner's items, and who took what.
template <std::uint32_t Capacity>
struct bench {
  run_queue<item, Capacity> queue;
  run_queue<item, Capacity> thief_queue[2];
  item items[most];
  int pushed = 0;

  bool push(int i) {
    items[i].value = i + 1;
    const bool done = queue.push(&items[i]);
    pushed += done;
    return done;
  }
  static void take(item* it) {
    if (it == nullptr) return;
    model::require(++it->taken == 1, "an item is taken twice");
    model::require(it->value != 0, "the item is not seen");
    it->value = 0;
  }
  void steal(int thief) {
    std::uint32_t taken = 0;
    take(queue.steal(thief_queue[thief], taken));
  }
  void drain(int thief) {
    while (item* it = thief_queue[thief].pop())
      take(it);
  }
  /// What is still queued has not been taken, and nothing is missing.
  void check_rest() {
    while (item* it = queue.pop())
      take(it);
    for (int t = 0; t < 2; ++t)
      drain(t);
    int n = 0;
    for (const item& it : items)
      n += it.taken;
    model::require(n == pushed, "an item is lost");
  }
};

void push_pop_against_thief(run& x) {
  bench<2> b;
  x.thread("owner", [&] {
    b.push(0);
    b.push(1);
    b.take(b.queue.pop());
    b.push(2);
    b.take(b.queue.pop());
  });
  x.thread("thief", [&] {
    b.steal(0);
    b.steal(0);
    b.drain(0);
  });
  x.join();
  b.check_rest();
}

void two_thieves(run& x) {
  bench<4> b;
  x.thread("owner", [&] {
    for (int i = 0; i < 4; ++i)
      b.push(i);
    b.take(b.queue.pop());
  });
  for (int t = 0; t < 2; ++t) {
    x.thread(t == 0 ? "thief 0" : "thief 1", [&b, t] {
      b.steal(t);
      b.drain(t);
    });
  }
  x.join();
  b.check_rest();
}

void overflow_against_thief(run& x) {
  bench<2> b;
  x.thread("owner", [&] {
    b.push(0);
    b.push(1);
    if (!b.push(2)) {
      item* half[1];
      if (b.queue.pop_half(half) != 0) b.take(half[0]);
      if (!b.push(2)) model::fail("there is no room after half was taken");
    }
    b.push(3);
  });
  x.thread("thief", [&] {
    b.steal(0);
    b.drain(0);
    b.steal(0);
    b.drain(0);
  });
  x.join();
  b.check_rest();
}

/// What a thief has moved to its own queue is stolen on from there.
void steal_from_thief(run& x) {
  bench<4> b;
  for (int i = 0; i < 4; ++i)
    b.push(i);
  x.thread("thief 0", [&] {
    b.steal(0);
    b.drain(0);
  });
  x.thread("thief 1", [&] {
    std::uint32_t taken = 0;
    b.take(b.thief_queue[0].steal(b.thief_queue[1], taken));
    b.drain(1);
  });
  x.join();
  b.check_rest();
}

}  // namespace

TEST_SUITE("model/run_queue") {
  TEST_CASE("run_queue: pushes and pops against a thief, ring of 2") {
    model_test::holds_both_ways("run_queue, push and pop against a thief", {},
                                push_pop_against_thief);
  }

  TEST_CASE("run_queue: two thieves and a pop, ring of 4") {
    model_test::holds_both_ways("run_queue, two thieves", {.preemptions = 2, .stale = 2},
                                two_thieves);
  }

  TEST_CASE("run_queue: two thieves and a pop, ring of 4, three preemptions [long]") {
    model_test::holds_both_ways("run_queue, two thieves", {}, two_thieves);
  }

  TEST_CASE("run_queue: the overflow of a full ring against a thief, ring of 2") {
    model_test::holds_both_ways("run_queue, overflow against a thief", {.stale = 2},
                                overflow_against_thief);
  }

  TEST_CASE("run_queue: a thief is stolen from, ring of 4") {
    model_test::holds_both_ways("run_queue, a thief is stolen from", {}, steal_from_thief);
  }

  TEST_CASE("run_queue: a tail that is not released is found") {
    using enum std::memory_order;
    model_test::finds(
        "data race", "run_queue, tail relaxed",
        {.weaken = {{"asymmetric.hpp", "light_store", model::stores, seq_cst, relaxed}}},
        push_pop_against_thief);
    model_test::finds(
        "data race", "run_queue, tail relaxed",
        {.membarrier = true,
         .weaken = {{"asymmetric.hpp", "light_store", model::stores, release, relaxed}}},
        push_pop_against_thief);
  }

  TEST_CASE("run_queue: a tail that is not acquired is found") {
    using enum std::memory_order;
    model_test::finds("item", "run_queue, steal() reads tail relaxed",
                      {.weaken = {{"run_queue.hpp", "steal", model::loads, acquire, relaxed}}},
                      push_pop_against_thief);
  }
}
