// SPDX-License-Identifier: MIT
// What Go's tests of context.Cause check, asked of ours; each case has the name of Go's test.
#include "conformance/contexts.hpp"

#include <chrono>
#include <system_error>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;
using namespace std::chrono_literals;

namespace {

constexpr std::chrono::seconds forever{1'000'000};

void check_causes_of_cancels() {
  const context bg = context::background();
  check_open(bg);
  {
    const owned_context c = bg.with_cancel();
    c.cancel();
    check_ended(c, canceled, canceled);
  }
  {
    const owned_context c = bg.with_cancel();
    c.cancel(why::parent);
    check_ended(c, canceled, why::parent);
  }
  {
    const owned_context c = bg.with_cancel();
    c.cancel(std::error_code());
    check_ended(c, canceled, canceled);
  }
}

void check_who_comes_first() {
  const context bg = context::background();
  {
    const owned_context parent = bg.with_cancel();
    const owned_context child = parent.with_cancel();
    parent.cancel(why::parent);
    child.cancel(why::child);
    check_ended(child, canceled, why::parent);
  }
  {
    const owned_context parent = bg.with_cancel();
    const owned_context child = parent.with_cancel();
    child.cancel(why::child);
    parent.cancel(why::parent);
    check_ended(child, canceled, why::child);
  }
  {
    const owned_context parent = bg.with_cancel();
    const owned_context child = parent.with_cancel();
    parent.cancel(why::parent);
    child.cancel();
    check_ended(child, canceled, why::parent);
  }
  {
    const owned_context parent = bg.with_cancel();
    const owned_context child = parent.with_cancel();
    child.cancel();
    parent.cancel(why::parent);
    check_ended(child, canceled, canceled);
  }
  {
    const owned_context parent = bg.with_cancel();
    const owned_context child = parent.with_cancel();
    parent.cancel();
    child.cancel(why::child);
    check_ended(child, canceled, canceled);
  }
  {
    const owned_context parent = bg.with_cancel();
    const owned_context child = parent.with_cancel();
    child.cancel(why::child);
    parent.cancel();
    check_ended(child, canceled, why::child);
  }
}

void check_causes_of_timeouts() {
  const context bg = context::background();
  {
    const owned_context c = bg.with_timeout(0s);
    c.cancel();
    check_ended(c, deadline_exceeded, deadline_exceeded);
  }
  {
    const owned_context c = bg.with_timeout(forever);
    c.cancel();
    check_ended(c, canceled, canceled);
  }
  {
    const owned_context c = bg.with_timeout(0s, why::too_slow);
    c.cancel();
    check_ended(c, deadline_exceeded, why::too_slow);
  }
  {
    const owned_context c = bg.with_timeout(forever, why::too_slow);
    c.cancel();
    check_ended(c, canceled, canceled);
  }
  {
    const owned_context parent = bg.with_cancel();
    const owned_context child = parent.with_timeout(0s, why::too_slow);
    parent.cancel(why::finished_early);
    check_ended(child, deadline_exceeded, why::too_slow);
  }
  {
    const owned_context parent = bg.with_cancel();
    const owned_context child = parent.with_timeout(forever, why::too_slow);
    parent.cancel(why::finished_early);
    check_ended(child, canceled, why::finished_early);
  }
}

void check_shields_have_none() {
  const context bg = context::background();
  check_open(bg.without_cancel());
  {
    const owned_context parent = bg.with_cancel();
    const context c = parent.without_cancel();
    parent.cancel(why::finished_early);
    check_open(c);
  }
  {
    const owned_context parent = bg.with_timeout(0s, why::too_slow);
    const context c = parent.without_cancel();
    parent.cancel();
    check_open(c);
  }
}

}  // namespace

TEST_CASE("context: TestCause") {
  in_bubbles([]() -> task<> {
    check_causes_of_cancels();
    check_who_comes_first();
    check_causes_of_timeouts();
    check_shields_have_none();
    co_return;
  });
}
