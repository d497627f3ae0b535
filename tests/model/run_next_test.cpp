// SPDX-License-Identifier: MIT
// sched/run_next.hpp: what was put into the slot is had by the owner or by one rescuer, never by both.
#include "sched/run_next.hpp"

#include "model/checker/plain.hpp"
#include "model/support/check.hpp"

namespace {

using namespace sluice::detail;
using model::run;

struct item {
  model::plain<int> value{0};  // written before it is put in, read by the taker
  int taken = 0;               // of the checks
};

struct bench {
  run_next_slot<item> slot;
  item items[3];
  int put_in = 0;

  void put(int i) {
    items[i].value = i + 1;
    ++put_in;
    take(slot.exchange(&items[i]));
  }
  static void take(item* it) {
    if (it == nullptr) return;
    model::require(++it->taken == 1, "an item is taken twice");
    model::require(it->value != 0, "the item is not seen");
    it->value = 0;
  }
  void check_rest() {
    take(slot.exchange(nullptr));
    int n = 0;
    for (const item& it : items)
      n += it.taken;
    model::require(n == put_in, "an item is lost");
  }
};

[[maybe_unused]] void owner_against_rescuer(run& x) {
  bench b;
  x.thread("owner", [&] {
    b.put(0);
    b.put(1);
    b.take(b.slot.exchange(nullptr));
    b.put(2);
  });
  x.thread("rescuer", [&] {
    b.take(b.slot.steal());
    b.take(b.slot.steal());
  });
  x.join();
  b.check_rest();
}

/// The routine that a rescuer took comes back to the slot that still names it.
[[maybe_unused]] void taken_item_comes_back(run& x) {
  bench b;
  atomic<item*> given_back{nullptr};
  x.thread("owner", [&] {
    b.put(0);
    // acquire: it was run elsewhere, and was made runnable here again
    if (item* it = given_back.exchange(nullptr, std::memory_order_acquire)) {
      it->taken = 0;
      it->value = 1;
      b.take(b.slot.exchange(it));
    }
    b.put(1);
  });
  x.thread("rescuer", [&] {
    if (item* it = b.slot.steal()) {
      b.take(it);
      given_back.store(it, std::memory_order_release);
    }
    b.take(b.slot.steal());
  });
  x.join();
  item* kept = given_back.latest();
  b.check_rest();
  model::require(kept == nullptr || kept->taken == 1, "an item is lost");
}

[[maybe_unused]] void two_rescuers(run& x) {
  bench b;
  x.thread("owner", [&] {
    b.put(0);
    b.put(1);
  });
  for (const char* name : {"rescuer 0", "rescuer 1"}) {
    x.thread(name, [&] { b.take(b.slot.steal()); });
  }
  x.join();
  b.check_rest();
}

constexpr model::bounds deep{.preemptions = 4, .stale = 4};

}  // namespace

#if !defined(MODEL_FAULT)

TEST_SUITE("model/run_next") {
  TEST_CASE("run_next: the owner against a rescuer") {
    model_test::holds_both_ways("run_next, owner against rescuer", deep, owner_against_rescuer);
  }

  TEST_CASE("run_next: a routine that was taken is put in again") {
    model_test::holds_both_ways("run_next, a taken routine comes back", deep,
                                taken_item_comes_back);
  }

  TEST_CASE("run_next: two rescuers") {
    model_test::holds_both_ways("run_next, two rescuers", {}, two_rescuers);
  }

  TEST_CASE("run_next: a slot that is stored without order is found") {
    using enum std::memory_order;
    model_test::finds(
        "data race", "run_next, slot stored relaxed",
        {.weaken = {{"asymmetric.hpp", "light_store", model::stores, seq_cst, relaxed}}},
        owner_against_rescuer);
    model_test::finds(
        "taken twice", "run_next, slot stored with release only",
        {.weaken = {{"asymmetric.hpp", "light_store", model::stores, seq_cst, release}}},
        owner_against_rescuer);
  }

  TEST_CASE("run_next: a rescuer without order is found") {
    using enum std::memory_order;
    model_test::finds("taken twice", "run_next, wanted_ stored with release only",
                      {.weaken = {{"run_next.hpp", "steal", model::stores, seq_cst, release}}},
                      owner_against_rescuer);
    model_test::finds(
        "taken twice", "run_next, wanted_ looked at with acquire only",
        {.weaken = {{"asymmetric.hpp", "light_load", model::loads, seq_cst, acquire}}},
        owner_against_rescuer);
  }
}

#else

TEST_SUITE("model/run_next, faulty") {
  TEST_CASE("run_next: " MODEL_FAULT " is found") {
    model_test::finds("taken twice", "run_next, " MODEL_FAULT, deep, owner_against_rescuer);
  }
}

#endif
