// SPDX-License-Identifier: MIT
// Who sleeps and who searches: the steps of idle_set one by one. The protocol over several threads
// stands in tests/model; the whole of it in tests/stress/sched_stress.cpp.
#include "sched/idle.hpp"

#include <set>

#include <doctest/doctest.h>

using sluice::detail::idle_set;

TEST_SUITE("sched/idle") {
  TEST_CASE("idle: nobody is woken when nobody sleeps") {
    idle_set s;
    s.resize(4);
    CHECK_FALSE(s.should_wake());
    CHECK(s.pick() == -1);
    CHECK(s.sleepers() == 0);
  }

  TEST_CASE("idle: a sleeper is picked once, and searches from then on") {
    idle_set s;
    s.resize(4);
    s.add(2);
    CHECK(s.should_wake());
    CHECK(s.sleepers() == 1);
    CHECK(s.pick() == 2);
    CHECK(s.pick() == -1);
    CHECK_FALSE(s.should_wake());  // the one that was picked searches already
    CHECK_FALSE(s.remove(2));      // it learns that it was picked
    CHECK(s.end_search());         // it was the last searcher
    CHECK_FALSE(s.should_wake());
  }

  TEST_CASE("idle: while somebody searches nobody is woken") {
    idle_set s;
    s.resize(4);
    s.add(0);
    s.add(1);
    CHECK(s.begin_search());
    CHECK_FALSE(s.should_wake());
    CHECK(s.end_search());
    CHECK(s.should_wake());
  }

  TEST_CASE("idle: a worker that wakes by itself takes its place back") {
    idle_set s;
    s.resize(4);
    s.add(3);
    CHECK(s.remove(3));
    CHECK_FALSE(s.should_wake());
    CHECK(s.pick() == -1);
  }

  TEST_CASE("idle: half of the workers may search, rounded up") {
    for (int n = 1; n <= 9; ++n) {
      CAPTURE(n);
      idle_set s;
      s.resize(n);
      int searchers = 0;
      while (s.begin_search())
        ++searchers;
      CHECK(searchers == (n + 1) / 2);
      for (int i = searchers; i > 0; --i)
        CHECK(s.end_search() == (i == 1));
    }
  }

  TEST_CASE("idle: all of 512 workers sleep and are picked, each once") {
    idle_set s;
    s.resize(idle_set::max_workers);
    for (int i = 0; i < idle_set::max_workers; ++i)
      s.add(i);
    CHECK(s.sleepers() == idle_set::max_workers);
    std::set<int> picked;
    for (int i = 0; i < idle_set::max_workers; ++i)
      picked.insert(s.pick());
    CHECK(picked.size() == static_cast<std::size_t>(idle_set::max_workers));
    CHECK(*picked.begin() == 0);
    CHECK(s.pick() == -1);
    CHECK(s.sleepers() == 0);
  }
}
