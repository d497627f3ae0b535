// SPDX-License-Identifier: MIT
// What Go's tests of package context do from several goroutines at once, asked of ours: in bubbles, and on real
// threads.
#include <sluice/routine.hpp>

#include "conformance/contexts.hpp"

#include <algorithm>
#include <cstddef>
#include <random>
#include <system_error>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;

TEST_CASE("context: TestSimultaneousCancels") {
  everywhere([]() -> task<> {
    std::vector<owned_context> tree;
    tree.push_back(context::background().with_cancel());
    for (std::size_t parent = 0; tree.size() < 100; ++parent)
      for (int i = 0; i < 4; ++i) {
        owned_context child = tree[parent].with_cancel();
        tree.push_back(std::move(child));
      }
    std::vector<std::size_t> order(tree.size());
    for (std::size_t i = 0; i < order.size(); ++i)
      order[i] = i;
    std::mt19937_64 random(this_routine::id());

    std::shuffle(order.begin(), order.end(), random);
    std::vector<join_handle<>> cancellers;
    for (const std::size_t i : order)
      cancellers.push_back(go(cancel_it, &std::as_const(tree[i]), std::error_code()));
    std::shuffle(order.begin(), order.end(), random);
    for (const std::size_t i : order) {
      co_await tree[i].done();
      check_ended(tree[i], canceled, canceled);
    }
    for (join_handle<>& h : cancellers)
      co_await std::move(h);
  });
}

TEST_CASE("context: TestInterlockedCancels") {
  everywhere([]() -> task<> {
    const owned_context parent = context::background().with_cancel();
    const owned_context child = parent.with_cancel();
    auto cancel_child = go([&parent, &child]() -> task<> {
      co_await parent.done();
      child.cancel();
    });
    parent.cancel();
    co_await child.done();
    co_await std::move(cancel_child);
    check_ended(child, canceled, canceled);
  });
}

TEST_CASE("context: TestContextErrDoneRace") {
  everywhere([]() -> task<> {
    for (int i = 0; i < 10; ++i) {
      const owned_context c = context::background().with_cancel();
      auto canceller = go(cancel_it, &c, std::error_code());
      while (!c.err())
        co_await yield();
      CHECK(co_await is_done(c));
      co_await std::move(canceller);
    }
  });
}

TEST_CASE("context: TestWithCancelSimultaneouslyCanceledParent") {
  everywhere([]() -> task<> {
    for (int i = 0; i < 100; ++i) {
      const owned_context parent = context::background().with_cancel();
      auto canceller = go(cancel_it, &parent, make_error_code(why::because));
      const owned_context c = parent.with_cancel();
      co_await c.done();
      check_ended(c, canceled, why::because);
      co_await std::move(canceller);
    }
  });
}

TEST_CASE("context: TestCauseRace") {
  everywhere([]() -> task<> {
    const owned_context c = context::background().with_cancel();
    auto canceller = go(cancel_it, &c, make_error_code(why::because));
    while (!c.cause())
      co_await yield();
    CHECK(c.cause() == why::because);
    co_await std::move(canceller);
  });
}
