// SPDX-License-Identifier: MIT
// What the tests of Go's package context check, asked of ours; each case has the name of Go's test. README.md
// lists them, and those that have no counterpart.
#include <sluice/dump.hpp>
#include <sluice/stats.hpp>

#include "conformance/contexts.hpp"
#include "conformance/layers.hpp"
#include "support/counted.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;
using namespace std::chrono_literals;
using sluice::testing::settle;

TEST_CASE("context: TestBackground") {
  in_bubbles([]() -> task<> {
    const context c = context::background();
    CHECK(c == context());
    check_open(c);
    CHECK(!co_await is_done(c));
    CHECK(!c.deadline().has_value());
    CHECK(c.value<key>() == nullptr);
  });
}

// ---- the tree

TEST_CASE("context: TestParentFinishesChild") {
  // parent -> cancel_child
  // parent -> value_child -> timer_child
  // parent -> a function
  in_bubbles([]() -> task<> {
    const owned_context parent = context::background().with_cancel();
    const owned_context cancel_child = parent.with_cancel();
    const context value_child = parent.with_value<key>("value");
    const owned_context timer_child = value_child.with_timeout(very_long);
    const runs after;
    parent.after_func(after.function());

    co_await settle();
    for (const context* c :
         std::vector<const context*>{&parent, &cancel_child, &value_child, &timer_child}) {
      CHECK(!co_await is_done(*c));
      check_open(*c);
    }
    CHECK(after.count() == 0);

    parent.cancel();
    for (const context* c :
         std::vector<const context*>{&parent, &cancel_child, &value_child, &timer_child}) {
      check_ended(*c, canceled, canceled);
      CHECK(co_await is_done(*c));
    }
    co_await settle();
    CHECK(after.count() == 1);

    const context late_value = parent.with_value<key>("value");
    const owned_context late_cancel = parent.with_cancel();
    const owned_context late_timer = late_value.with_timeout(very_long);
    for (const context* c : std::vector<const context*>{&late_value, &late_cancel, &late_timer}) {
      check_ended(*c, canceled, canceled);
      CHECK(co_await is_done(*c));
    }
  });
}

TEST_CASE("context: TestChildFinishesFirst") {
  in_bubbles([]() -> task<> {
    const owned_context cancelable = context::background().with_cancel();
    for (const context& parent : std::vector<context>{context::background(), cancelable}) {
      const owned_context child = parent.with_cancel();
      CHECK(!co_await is_done(parent));
      CHECK(!co_await is_done(child));

      child.cancel();
      check_ended(child, canceled, canceled);
      CHECK(co_await is_done(child));
      check_open(parent);
      CHECK(!co_await is_done(parent));
    }
    // Nor does it end with its parent: that has forgotten it.
    cancelable.cancel(why::parent);
    check_ended(cancelable, canceled, why::parent);
  });
}

TEST_CASE("context: TestCancelRemoves") {
  // Whom its parent or a timer still had would live on: `counted` is held by nobody else.
  in_bubbles([]() -> task<> {
    counted::reset();
    const owned_context parent = context::background().with_cancel();
    {
      const owned_context child = parent.with_value<counted>(1).with_cancel();
      CHECK(counted::live() == 1);
      child.cancel();
    }
    CHECK(counted::live() == 0);
    {
      const owned_context child = parent.with_value<counted>(2).with_timeout(60min);
      CHECK(counted::live() == 1);
      child.cancel();
    }
    CHECK(counted::live() == 0);

    const std::size_t routines_before = routines().size();
    auto stop = parent.after_func([](counted) {}, counted(3));
    co_await settle();
    CHECK(counted::live() > 0);
    CHECK(stop.stop());
    co_await settle();
    CHECK(counted::live() == 0);
    CHECK(routines().size() == routines_before);

    check_open(parent);
    parent.cancel();
    CHECK(counted::balanced());
  });
}

TEST_CASE("context: TestCustomContextGoroutines") {
  // The part of it that is not about contexts of other kinds: to derive and to cancel starts no routine.
  in_bubbles([]() -> task<> {
    const std::uint64_t before = stats().total.spawned;
    const owned_context c1 = context::background().with_cancel();
    const context c2 = c1.with_value<key>("value");
    const owned_context c3 = c2.with_cancel();
    const owned_context c4 = c3.with_timeout(very_long);
    const owned_context c5 = c4.with_cancel();
    c5.cancel();
    const owned_context c6 = c5.with_timeout(very_long);
    c6.cancel();
    c1.cancel();
    const owned_context c7 = c5.with_cancel();
    check_ended(c7, canceled, canceled);
    co_await settle();
    CHECK(stats().total.spawned == before);
  });
}

TEST_CASE("context: TestWithCancel") {
  in_bubbles([]() -> task<> {
    const owned_context c1 = context::background().with_cancel();
    const context other = c1.with_value<key>("as Go's wrapper of another type");
    const owned_context c2 = other.with_cancel();
    const std::vector<context> all{c1, other, c2};
    for (const context& c : all) {
      check_open(c);
      CHECK(!co_await is_done(c));
    }

    c1.cancel();
    for (const context& c : all)
      check_ended(c, canceled, canceled);  // at once: nothing ran in between
    for (const context& c : all)
      CHECK(co_await is_done(c));
  });
}

TEST_CASE("context: TestWithCancelCanceledParent") {
  in_bubbles([]() -> task<> {
    const owned_context parent = context::background().with_cancel();
    parent.cancel(why::because);
    const owned_context c = parent.with_cancel();
    check_ended(c, canceled, why::because);
    CHECK(co_await is_done(c));
  });
}

// ---- deadlines

namespace {

/// Waits until it is over, which it has to be at `when`.
task<> over_at(context c, time_point when) {
  const time_point begun = clock::now();
  co_await c.done();
  CHECK(clock::now() == std::max(when, begun));
  check_ended(c, deadline_exceeded, deadline_exceeded);
}

}  // namespace

TEST_CASE("context: TestDeadline") {
  in_bubbles([]() -> task<> {
    const context bg = context::background();
    time_point soon = clock::now() + short_time;
    const owned_context plain = bg.with_deadline(soon);
    co_await over_at(plain, soon);

    soon = clock::now() + short_time;
    const owned_context inner = bg.with_deadline(soon);
    co_await over_at(inner.with_value<key>("other"), soon);

    soon = clock::now() + short_time;
    const owned_context sooner = bg.with_deadline(soon);
    const context other = sooner.with_value<key>("other");
    const owned_context later = other.with_deadline(clock::now() + very_long);
    co_await over_at(later, soon);

    const time_point past = clock::now() - short_time;
    const owned_context in_the_past = bg.with_deadline(past);
    co_await over_at(in_the_past, past);

    const owned_context now = bg.with_deadline(clock::now());
    co_await over_at(now, clock::now());
  });
}

TEST_CASE("context: TestTimeout") {
  in_bubbles([]() -> task<> {
    const context bg = context::background();
    const owned_context plain = bg.with_timeout(short_time);
    co_await over_at(plain, clock::now() + short_time);

    const owned_context inner = bg.with_timeout(short_time);
    co_await over_at(inner.with_value<key>("other"), clock::now() + short_time);

    const owned_context sooner = bg.with_timeout(short_time);
    const context other = sooner.with_value<key>("other");
    const owned_context later = other.with_timeout(very_long);
    co_await over_at(later, clock::now() + short_time);
  });
}

TEST_CASE("context: TestCanceledTimeout") {
  in_bubbles([]() -> task<> {
    const owned_context outer = context::background().with_timeout(1s);
    const context other = outer.with_value<key>("other");
    const owned_context c = other.with_timeout(very_long);
    c.cancel();
    check_ended(c, canceled, canceled);  // at once
    CHECK(co_await is_done(c));
    check_open(outer);
  });
}

TEST_CASE("context: TestDeadlineExceededSupportsTimeout") {
  const std::error_code e = errc::deadline_exceeded;
  CHECK(e == std::errc::timed_out);
  CHECK(std::error_code(errc::canceled) != std::errc::timed_out);
}

TEST_CASE("context: TestDeadlineExceededIsNetError") {
  // What waits on the network and is over time says so in the words of the system's own errors.
  in_bubbles([]() -> task<> {
    const owned_context c = context::background().with_timeout(short_time);
    co_await c.done();
    CHECK(c.err() == std::errc::timed_out);
    const auto slept = co_await with_timeout(short_time, sleep_for(very_long));
    CHECK(slept.error() == std::errc::timed_out);
  });
}

// ---- values

namespace {

/// The type is the key.
template <int N>
struct k {
  std::string text;
};

/// The nearest value of that key; "" if there is none, or one that says nothing, as Go's nil.
template <int N>
std::string text_of(const context& c) {
  const k<N>* v = c.value<k<N>>();
  return v != nullptr ? v->text : "";
}

void check_values(const context& c, const std::string& v1, const std::string& v2,
                  const std::string& v3) {
  CHECK(text_of<1>(c) == v1);
  CHECK(text_of<2>(c) == v2);
  CHECK(text_of<3>(c) == v3);
}

}  // namespace

TEST_CASE("context: TestValues") {
  const context c0 = context::background();
  check_values(c0, "", "", "");
  CHECK(c0.value<k<1>>() == nullptr);

  const context c1 = c0.with_value<k<1>>("c1k1");
  check_values(c1, "c1k1", "", "");
  CHECK(c1.value<k<2>>() == nullptr);

  const context c2 = c1.with_value<k<2>>("c2k2");
  check_values(c2, "c1k1", "c2k2", "");

  const context c3 = c2.with_value<k<3>>("c3k3");
  check_values(c3, "c1k1", "c2k2", "c3k3");

  const context c4 = c3.with_value<k<1>>();  // shadows that of c1
  check_values(c4, "", "c2k2", "c3k3");

  // As Go's wrappers of another type: nodes that add nothing.
  const owned_context o1 = c1.with_cancel();
  check_values(o1, "c1k1", "", "");
  const context o2 = o1.with_value<k<2>>("o2k2");
  check_values(o2, "c1k1", "o2k2", "");
  const owned_context o3 = c4.with_cancel();
  check_values(o3, "", "c2k2", "c3k3");
  const context o4 = o3.with_value<k<3>>();
  check_values(o4, "", "c2k2", "");

  check_values(c3, "c1k1", "c2k2", "c3k3");  // what is made of one leaves it as it is
}

TEST_CASE("context: TestWithoutCancel") {
  in_bubbles([]() -> task<> {
    const context with_key = context::background().with_value<key>("value");
    const context c = with_key.without_cancel();
    CHECK(!c.deadline().has_value());
    CHECK(!co_await is_done(c));
    check_open(c);
    REQUIRE(c.value<key>() != nullptr);
    CHECK(c.value<key>()->text == "value");
  });
}

// ---- layers by chance

TEST_CASE("context: TestLayersCancel") {
  in_bubbles([]() -> task<> {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      layers all(seed, very_long);
      CHECK(!co_await is_done(all.top()));
      CHECK(all.has_all_values());
      all.cancel_any();
      check_ended(all.top(), canceled, canceled);
      CHECK(co_await is_done(all.top()));
      CHECK(all.has_all_values());
    }
  });
}

TEST_CASE("context: TestLayersTimeout") {
  in_bubbles([]() -> task<> {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      const layers all(seed, short_time);
      const time_point begun = clock::now();
      CHECK(all.has_all_values());
      co_await all.top().done();
      CHECK(clock::now() == begun + short_time);
      check_ended(all.top(), deadline_exceeded, deadline_exceeded);
      CHECK(all.has_all_values());
    }
  });
}
