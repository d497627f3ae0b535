// SPDX-License-Identifier: MIT
// finally: the cleanup runs once, to its end, however the body ends, and the body's end goes on.
#include <sluice/boundary.hpp>
#include <sluice/chan.hpp>
#include <sluice/context.hpp>
#include <sluice/routine.hpp>
#include <sluice/time.hpp>
#include <sluice/when_all.hpp>

#include "support/boundaries.hpp"
#include "support/everywhere.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;
using namespace std::chrono_literals;

namespace {

struct notes {
  std::atomic<int> bodies{0};    // that came to their end
  std::atomic<int> cleanups{0};  // begun
  std::atomic<int> cleaned{0};   // ended
  std::atomic<int> behind{0};    // went on behind it
};

task<int> body(notes* n, bool waits) {
  if (waits) co_await wait_for_ever();
  co_await yield();
  ++n->bodies;
  co_return 3;
}
/// With waits that a stopped routine could not have.
task<> cleanup(notes* n) {
  ++n->cleanups;
  co_await yield();
  chan<int> c(0);
  auto h = go([](chan<int> out) -> task<> { static_cast<void>(co_await out.send(1)); }, c);
  static_cast<void>(co_await c.recv());
  co_await yield();
  ++n->cleaned;
}
task<int> use(notes* n, bool waits) {
  const int got = co_await finally(body(n, waits), cleanup(n));
  ++n->behind;
  co_return got;
}

task<int> fail(const char* text) {
  co_await yield();
  throw std::runtime_error(text);
}
task<> fail_to_clean(const char* text) {
  co_await yield();
  throw std::runtime_error(text);
}

}  // namespace

TEST_SUITE_BEGIN("sched/boundary finally");

TEST_CASE("boundary: finally gives what the body returns, behind the cleanup") {
  everywhere([]() -> task<> {
    notes n;
    const int got = co_await use(&n, false);
    CHECK(got == 3);
    CHECK(n.cleaned == 1);
    CHECK(n.cleanups == 1);

    // Callables, in any mixture; a cleanup's result is dropped.
    int order = 0;
    const int a = co_await finally(
        [&]() -> task<int> {
          co_await yield();
          co_return ++order;
        },
        [&]() -> task<int> {
          co_await yield();
          co_return ++order;
        });
    CHECK(a == 1);
    CHECK(order == 2);
    const int b = co_await finally(body(&n, false), [&]() -> task<> { co_return; });
    CHECK(b == 3);
    co_await finally([&]() -> task<> { co_return; }, cleanup(&n));
    CHECK(n.cleaned == 2);
    auto own = []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(9); };
    const auto owned = co_await finally(own(), cleanup(&n));
    CHECK(*owned == 9);
  });
}

TEST_CASE("boundary: finally rethrows what the body threw, and else what the cleanup threw") {
  everywhere([]() -> task<> {
    notes n;
    std::string text;
    try {
      static_cast<void>(co_await finally(fail("body"), cleanup(&n)));
    } catch (const std::runtime_error& e) {
      text = e.what();
    }
    CHECK(text == "body");
    CHECK(n.cleaned == 1);
    try {
      static_cast<void>(co_await finally(fail("body"), fail_to_clean("cleanup")));
    } catch (const std::runtime_error& e) {
      text = e.what();
    }
    CHECK(text == "body");
    try {
      static_cast<void>(co_await finally(body(&n, false), fail_to_clean("cleanup")));
    } catch (const std::runtime_error& e) {
      text = e.what();
    }
    CHECK(text == "cleanup");
  });
}

TEST_CASE("boundary: finally runs the cleanup when the routine is cancelled, parked or not") {
  for (const bool early : {false, true}) {
    CAPTURE(early);
    everywhere([early]() -> task<> {
      notes n;
      auto h = go(use, &n, true);
      if (!early) co_await until_waiting(h.id());
      h.cancel();
      h.cancel();
      const bool stopped = co_await ends_stopped(std::move(h));
      CHECK(stopped);
      CHECK(n.cleanups == 1);
      CHECK(n.cleaned == 1);
      CHECK(n.behind == 0);
      CHECK(n.bodies == 0);
    });
  }
}

TEST_CASE("boundary: finally runs the cleanup when its context ends, and with_timeout reports it") {
  everywhere([]() -> task<> {
    notes n;
    auto ctx = context::current().with_cancel();
    const auto enter = [](context in, notes* to) -> task<bool> {
      const result<int> r = co_await with_context(in, use(to, true));
      co_await yield();
      co_return !r && r.error() == make_error_code(errc::canceled);
    };
    auto h = go(enter, context(ctx), &n);
    co_await until_waiting(h.id());
    ctx.cancel();
    const bool seen = co_await std::move(h);
    CHECK(seen);
    CHECK(n.cleaned == 1);
    CHECK(n.cleanups == 1);
    CHECK(n.behind == 0);
  });
  in_bubbles([]() -> task<> {
    notes n;
    const time_point begun = sluice::clock::now();
    const result<int> r = co_await with_timeout(10ms, [&]() -> task<int> {
      co_return co_await finally(body(&n, true), [&]() -> task<> {
        co_await sleep_for(1s);
        co_await cleanup(&n);
      });
    });
    CHECK_FALSE(r.has_value());
    CHECK(n.cleaned == 1);
    CHECK(sluice::clock::now() - begun == 1010ms);
  });
}

TEST_CASE("boundary: finally runs the cleanup at shutdown, which waits for it") {
  for (const int workers : {1, 2, 4}) {
    CAPTURE(workers);
    notes n;
    const auto slow = [](notes* to) -> task<> {
      const auto clean = [](notes* x) -> task<> {
        ++x->cleanups;
        for (int i = 0; i < 100; ++i)
          co_await yield();
        ++x->cleaned;
      };
      static_cast<void>(co_await finally(body(to, true), clean(to)));
      ++to->behind;
    };
    {
      executor ex({.workers = workers});
      for (int i = 0; i < 50; ++i)
        ex.go(slow, &n);
      CHECK(ex.shutdown(std::chrono::minutes(1)).empty());
    }
    CHECK(n.cleanups == 50);
    CHECK(n.cleaned == 50);
    CHECK(n.behind == 0);
  }
}

TEST_CASE("boundary: finally in finally runs the inner cleanup first, each once") {
  everywhere([]() -> task<> {
    struct order {
      std::vector<int> log;
    };
    const auto work = [](order* o) -> task<> {
      const auto clean = [](order* to, int what) -> task<> {
        co_await yield();
        to->log.push_back(what);
      };
      const auto nested_cleanup = [clean](order* to) -> task<> {
        // A cleanup that has one itself.
        co_await finally(clean(to, 2), clean(to, 3));
      };
      const auto inner = [clean](order* to) -> task<> {
        co_await finally(wait_for_ever(), clean(to, 1));
        to->log.push_back(100);
      };
      co_await finally(inner(o), nested_cleanup(o));
      o->log.push_back(101);
    };
    order o;
    auto h = go(work, &o);
    co_await until_waiting(h.id());
    h.cancel();
    const bool stopped = co_await ends_stopped(std::move(h));
    CHECK(stopped);
    CHECK(o.log == std::vector<int>{1, 2, 3});
  });
}

TEST_CASE("boundary: a cleanup that throws when the body was stopped: the stop gives way to it") {
  // There is no body's exception that says more, and a failure shall not get lost.
  everywhere([]() -> task<> {
    const auto work = []() -> task<> { co_await finally(wait_for_ever(), fail_to_clean("kept")); };
    auto h = go(work);
    co_await until_waiting(h.id());
    h.cancel();
    std::string text;
    try {
      co_await std::move(h);
    } catch (const std::runtime_error& e) {
      text = e.what();
    }
    CHECK(text == "kept");
  });
}

TEST_CASE("boundary: a body that was complete when the cancel came delivers behind the cleanup") {
  everywhere([]() -> task<> {
    notes n;
    chan<int> gate(0);
    const auto work = [](notes* to, chan<int> in) -> task<int> {
      const auto clean = [](notes* x, chan<int> c) -> task<> {
        static_cast<void>(co_await c.recv());
        ++x->cleaned;
      };
      const int got = co_await finally(body(to, false), clean(to, in));
      ++to->behind;
      co_return got;
    };
    auto h = go(work, &n, gate);
    co_await until_waiting(h.id());
    h.cancel();
    static_cast<void>(co_await gate.send(1));
    const int got = co_await std::move(h);  // no wait stands behind
    CHECK(got == 3);
    CHECK(n.behind == 1);
  });
}

TEST_CASE("boundary: finally that is not awaited runs neither, and destroys both") {
  counted::reset();
  everywhere([]() -> task<> {
    notes n;
    const auto holds = [](counted /*held*/, notes* to) -> task<> {
      ++to->bodies;
      co_return;
    };
    {
      const auto dropped = finally(holds(counted(1), &n), holds(counted(2), &n));
    }
    co_await yield();
    CHECK(n.bodies == 0);
  });
  CHECK(counted::balanced());
}

TEST_SUITE_END();
