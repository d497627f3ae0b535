// SPDX-License-Identifier: MIT
// Routines stopped inside of boundaries: by their handle, by their contexts, by the end of the executor; what
// as_result, without_cancel and forks make of it, and what it takes to unwind deep chains.
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
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;
using namespace std::chrono_literals;

namespace {

/// Boundaries of each kind that passes a stop on, one in the other, with a wait in the innermost.
task<> nested(int depth, trace* t) {
  const witness w(t->log, depth);
  if (depth == 0) {
    co_await wait_for_ever();
  } else if (depth % 3 == 0) {
    static_cast<void>(co_await with_timeout(1h, nested(depth - 1, t)));
  } else if (depth % 3 == 1) {
    static_cast<void>(co_await with_context(context::current(), nested(depth - 1, t)));
  } else {
    static_cast<void>(co_await with_deadline(time_point::max(), nested(depth - 1, t)));
  }
  t->went_on = true;
}

struct shield {
  chan<int> gate{0};
  std::atomic<bool> begun{false};
  std::atomic<bool> ended{false};
  std::atomic<bool> behind{false};
  std::atomic<bool> went_on{false};
};

task<int> in_shield(shield* s) {
  s->begun = true;
  static_cast<void>(co_await s->gate.recv());
  co_await yield();
  s->ended = true;
  co_return 5;
}
task<> shielded(shield* s) {
  const int got = co_await without_cancel(in_shield(s));
  s->behind = got == 5;
  co_await yield();
  s->went_on = true;
}

/// Sends until it is taken: by somebody who is not stopped.
task<> open(shield* s) {
  const bool sent = co_await s->gate.send(1);
  CHECK(sent);
}

/// Of a frame in a deep chain: where the stack stands when it is left, and how many are.
class note {
 public:
  note(stack_range* r, int* left) noexcept : at_(r), left_(left) {}
  note(const note&) = delete;
  note& operator=(const note&) = delete;
  ~note() {
    at_->note();
    ++*left_;
  }

 private:
  stack_range* at_;
  int* left_;
};

task<> deep_chain(int depth, stack_range* s, int* left) {
  const note at_exit(s, left);
  if (depth == 0) {
    co_await wait_for_ever();
  } else {
    co_await deep_chain(depth - 1, s, left);
  }
}

task<> deep_boundaries(int depth, context in, stack_range* s, int* left) {
  const note at_exit(s, left);
  if (depth == 0) {
    co_await wait_for_ever();
  } else {
    static_cast<void>(co_await with_context(in, deep_boundaries(depth - 1, in, s, left)));
  }
}

task<> deep_timeouts(int depth, stack_range* s, int* left) {
  const note at_exit(s, left);
  if (depth == 0) {
    co_await wait_for_ever();
  } else {
    static_cast<void>(co_await with_timeout(1h, deep_timeouts(depth - 1, s, left)));
  }
}

}  // namespace

TEST_SUITE_BEGIN("sched/boundary stop");

TEST_CASE("boundary: cancel by the handle unwinds through any number of them") {
  counted::reset();
  for (const int depth : {1, 2, 3, 10}) {
    CAPTURE(depth);
    everywhere([depth]() -> task<> {
      trace parked;
      auto h = go(nested, depth, &parked);
      co_await until_waiting(h.id());
      h.cancel();
      bool stopped = co_await ends_stopped(std::move(h));
      CHECK(stopped);
      CHECK(parked.unwound(depth + 1));

      trace early;
      h = go(nested, depth, &early);
      h.cancel();
      stopped = co_await ends_stopped(std::move(h));
      CHECK(stopped);
      const int reached = static_cast<int>(early.log.size());
      CHECK(reached == depth + 1);  // to enter one is no wait
      CHECK(early.unwound(depth + 1));
    });
  }
  CHECK(counted::balanced());
}

TEST_CASE("boundary: cancel of the context that a routine was started in unwinds through all") {
  counted::reset();
  everywhere([]() -> task<> {
    auto ctx = context::current().with_cancel();
    trace t;
    auto h = go_in(ctx, nested, 10, &t);
    co_await until_waiting(h.id());
    ctx.cancel();
    const bool stopped = co_await ends_stopped(std::move(h));
    CHECK(stopped);
    CHECK(t.unwound(11));
  });
  CHECK(counted::balanced());
}

TEST_CASE("boundary: as_result gives a value or a failure as it is") {
  everywhere([]() -> task<> {
    chan<int> c(1);
    c.try_send(3);
    const auto got = co_await as_result(c.recv());
    REQUIRE(got.has_value());
    CHECK(*got == 3);
    bool thrown = false;
    try {
      static_cast<void>(co_await as_result([]() -> task<> {
        co_await yield();
        throw std::logic_error("x");
      }));
    } catch (const std::logic_error&) {
      thrown = true;
    }
    CHECK(thrown);
  });
}

TEST_CASE("boundary: as_result sees a stop by the handle, and the next wait stops") {
  counted::reset();
  for (const bool early : {false, true}) {
    everywhere([early]() -> task<> {
      struct seen {
        trace t;
        bool canceled = false;
        bool shielded = false;
        bool went_on = false;
      };
      const auto look = [](seen* s) -> task<> {
        const result<void> r = co_await as_result(three_frames(&s->t));
        s->canceled = !r && r.error() == make_error_code(errc::canceled);
        co_await without_cancel(yield());
        s->shielded = true;
        const result<void> again = co_await as_result(yield());
        s->canceled = s->canceled && !again;
        co_await yield();
        s->went_on = true;
      };
      seen s;
      auto h = go(look, &s);
      if (!early) co_await until_waiting(h.id());
      h.cancel();
      const bool stopped = co_await ends_stopped(std::move(h));
      CHECK(stopped);
      CHECK(s.t.unwound(3));
      CHECK(s.canceled);
      CHECK(s.shielded);
      CHECK_FALSE(s.went_on);
    });
  }
  CHECK(counted::balanced());
}

TEST_CASE("boundary: as_result inside with_timeout sees the deadline as the cause") {
  in_bubbles([]() -> task<> {
    std::error_code cause;
    bool went_on = false;
    const result<void> r = co_await with_timeout(1ms, [&]() -> task<> {
      const result<void> seen = co_await as_result(wait_for_ever());
      if (!seen) cause = seen.error().code();
      co_await yield();
      went_on = true;
    });
    CHECK_FALSE(r.has_value());
    CHECK(cause == errc::deadline_exceeded);
    CHECK_FALSE(went_on);
    co_await sleep_for(1ms);  // over
  });
}

TEST_CASE(
    "boundary: without_cancel keeps a cancel by the handle out, and the caller stops behind it") {
  for (const int cancels : {1, 2}) {
    CAPTURE(cancels);
    everywhere([cancels]() -> task<> {
      shield s;
      auto h = go(shielded, &s);
      const std::uint64_t id = h.id();
      co_await until_waiting(id);
      for (int i = 0; i < cancels; ++i)
        h.cancel();
      for (int i = 0; i < 5; ++i)
        co_await yield();
      CHECK_FALSE(s.ended);
      co_await open(&s);
      const bool stopped = co_await ends_stopped(std::move(h));
      CHECK(stopped);
      CHECK(s.ended);
      CHECK(s.behind);
      CHECK_FALSE(s.went_on);
    });
  }
}

TEST_CASE(
    "boundary: without_cancel that is entered after the cancel runs to its end all the same") {
  for (const bool by_context : {false, true}) {
    everywhere([by_context]() -> task<> {
      shield s;
      auto ctx = context::current().with_cancel();
      auto h = go_in(ctx, shielded, &s);
      if (by_context) {
        ctx.cancel();
      } else {
        h.cancel();
        h.cancel();
      }
      co_await open(&s);
      const bool stopped = co_await ends_stopped(std::move(h));
      CHECK(stopped);
      CHECK(s.ended);
      CHECK(s.behind);
      CHECK_FALSE(s.went_on);
    });
  }
}

TEST_CASE(
    "boundary: without_cancel that is cancelled by the context while it waits ends undisturbed") {
  everywhere([]() -> task<> {
    shield s;
    auto ctx = context::current().with_cancel();
    auto h = go_in(ctx, shielded, &s);
    co_await until_waiting(h.id());
    ctx.cancel();
    for (int i = 0; i < 5; ++i)
      co_await yield();
    CHECK_FALSE(s.ended);
    co_await open(&s);
    const bool stopped = co_await ends_stopped(std::move(h));
    CHECK(stopped);
    CHECK(s.ended);
    CHECK_FALSE(s.went_on);
  });
}

TEST_CASE("boundary: with_timeout inside without_cancel still fires, asked to stop or not") {
  in_bubbles([]() -> task<> {
    struct seen {
      bool expired = false;
      bool slept = false;
      bool went_on = false;
    };
    const auto work = [](seen* s) -> task<> {
      const auto inside = [](seen* x) -> task<> {
        const result<void> r = co_await with_timeout(10ms, wait_for_ever());
        x->expired = !r && r.error() == make_error_code(errc::deadline_exceeded);
        co_await sleep_for(1ms);
        x->slept = true;
      };
      co_await without_cancel(inside(s));
      co_await yield();
      s->went_on = true;
    };
    seen s;
    auto h = go(work, &s);
    co_await sleep_for(5ms);
    h.cancel();
    const bool stopped = co_await ends_stopped(std::move(h));
    CHECK(stopped);
    CHECK(s.expired);
    CHECK(s.slept);
    CHECK_FALSE(s.went_on);

    seen calm;
    const result<void> r = co_await with_timeout(1h, work(&calm));
    CHECK(r.has_value());
    CHECK(calm.expired);
    CHECK(calm.went_on);
  });
}

TEST_CASE(
    "boundary: a cancel inside a shield inside a cancelled routine stops at each wall in turn") {
  everywhere([]() -> task<> {
    struct seen {
      chan<int> gate{0};
      int inner = 0, middle = 0, outer = 0;
    };
    const auto work = [](seen* s) -> task<> {
      static_cast<void>(co_await with_timeout(1h, [s]() -> task<> {
        co_await without_cancel([s]() -> task<> {
          static_cast<void>(co_await s->gate.recv());
          auto ctx = context::current().with_cancel();
          ctx.cancel();
          const result<void> r = co_await with_context(ctx, wait_for_ever());
          s->inner = r ? 1 : 2;
          co_await yield();
          s->inner += 10;
        });
        s->middle = 1;
        co_await yield();
        s->middle = 2;
      }));
      s->outer = 1;
    };
    seen s;
    auto h = go(work, &s);
    co_await until_waiting(h.id());
    h.cancel();
    static_cast<void>(co_await s.gate.send(1));
    const bool stopped = co_await ends_stopped(std::move(h));
    CHECK(stopped);
    CHECK(s.inner == 12);
    CHECK(s.middle == 1);
    CHECK(s.outer == 0);
  });
}

TEST_CASE("boundary: shutdown stops what is in boundaries, and waits for what is shielded") {
  for (const int workers : {1, 2}) {
    exits e;
    std::atomic<int> ended{0}, behind{0};
    {
      executor ex({.workers = workers});
      for (int i = 0; i < 20; ++i) {
        ex.go(
            [](exits* x) -> task<> {
              static_cast<void>(co_await with_timeout(1h, wait_watched(x)));
            },
            &e);
        ex.go(
            [](std::atomic<int>* in, std::atomic<int>* after) -> task<> {
              co_await without_cancel([in]() -> task<> {
                for (int n = 0; n < 200; ++n)
                  co_await yield();
                ++*in;
              });
              co_await wait_for_ever();
              ++*after;
            },
            &ended, &behind);
      }
      CHECK(ex.shutdown(std::chrono::minutes(1)).empty());
    }
    CHECK(e.all == 20);
    CHECK(e.unwound == 20);
    CHECK(ended == 20);
    CHECK(behind == 0);
  }
}

TEST_CASE("boundary: a joiner is told of a routine that its context stopped") {
  everywhere([]() -> task<> {
    auto ctx = context::current().with_cancel();
    auto h = go_in(ctx, wait_for_ever);
    co_await until_waiting(h.id());
    ctx.cancel();
    const bool stopped = co_await ends_stopped(std::move(h));
    CHECK(stopped);
    co_await yield();
  });
}

TEST_CASE("boundary: a joiner stopped by the same cancel as what it joins ends stopped") {
  static std::atomic<int> told;
  told = 0;
  everywhere([]() -> task<> {
    const auto join = [](std::atomic<int>* t) -> task<> {
      try {
        co_await go(wait_for_ever);
      } catch (...) {
        ++*t;
      }
      ++*t;
    };
    auto ctx = context::current().with_cancel();
    std::vector<join_handle<>> all;
    for (int i = 0; i < 10; ++i)
      all.push_back(go_in(ctx, join, &told));
    co_await until_waiting(all.back().id());
    ctx.cancel();
    for (auto& h : all) {
      const bool stopped = co_await ends_stopped(std::move(h));
      CHECK(stopped);
    }
    // As the work of a boundary.
    auto inner = context::current().with_cancel();
    auto enter = [join](context in) -> task<bool> {
      const result<void> r = co_await with_context(in, join(&told));
      co_return !r.has_value();
    };
    auto h = go(enter, context(inner));
    co_await until_waiting(h.id());
    inner.cancel();
    const bool saw = co_await std::move(h);
    CHECK(saw);
  });
  CHECK(told == 0);
}

TEST_CASE("boundary: a deep chain inside of one is unwound on a flat stack") {
  on_executors([]() -> task<> {
    constexpr int depth = 100'000;
    stack_range s;
    int left = 0;
    auto ctx = context::current().with_cancel();
    const auto enter = [](context in, stack_range* to, int* n) -> task<bool> {
      const result<void> r = co_await with_context(in, deep_chain(depth, to, n));
      co_return !r.has_value();
    };
    auto h = go(enter, context(ctx), &s, &left);
    co_await until_waiting(h.id());
    ctx.cancel();
    const bool stopped = co_await std::move(h);
    CHECK(stopped);
    CHECK(left == depth + 1);
    CHECK(s.bytes() < 4096);
  });
}

TEST_CASE("boundary: deeply nested ones are unwound on a flat stack") {
  on_executors([]() -> task<> {
    constexpr int depth = 100'000;
    stack_range s;
    int left = 0;
    auto ctx = context::current().with_cancel();
    auto h = go_in(ctx, deep_boundaries, depth, context(ctx), &s, &left);
    co_await until_waiting(h.id());
    h.cancel();
    bool stopped = co_await ends_stopped(std::move(h));
    CHECK(stopped);
    CHECK(left == depth + 1);
    CHECK(s.bytes() < 4096);

    left = 0;
    h = go_in(ctx, deep_boundaries, depth, context(ctx), &s, &left);
    co_await until_waiting(h.id());
    ctx.cancel();
    stopped = co_await ends_stopped(std::move(h));
    CHECK(stopped);
    CHECK(left == depth + 1);

    left = 0;
    auto tree = context::current().with_cancel();
    h = go_in(tree, deep_timeouts, 10'000, &s, &left);
    co_await until_waiting(h.id());
    tree.cancel();
    stopped = co_await ends_stopped(std::move(h));
    CHECK(stopped);
    CHECK(left == 10'001);
  });
}

TEST_SUITE_END();
