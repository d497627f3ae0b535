// SPDX-License-Identifier: MIT
// Stopping a routine by its handle, on each kind of wait: parked, and before the wait begins.
#include <sluice/blocking.hpp>
#include <sluice/chan.hpp>
#include <sluice/error.hpp>
#include <sluice/go.hpp>
#include <sluice/routine.hpp>
#include <sluice/time.hpp>

#include "base/fibre.hpp"
#include "support/everywhere.hpp"
#include "support/io_calls.hpp"
#include "support/unwinding.hpp"

#include <chrono>
#include <memory>
#include <semaphore>
#include <utility>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;

namespace {

/// What the routines wait on. Nothing of it ever becomes ready by itself.
struct objects {
  chan<int> empty{0};
  chan<int> full{1};
  chan<int> growing{unbounded};
  chan<int> nil;
  chan<int> gate{0};
  pipe_pair pipe;
  exit_log log;
  bool went_on = false;
  bool caught = false;

  objects() { full.try_send(1); }
};

task<> on_recv(objects* o) {
  static_cast<void>(co_await o->empty.recv());
}
task<> on_recv_buffered(objects* o) {
  chan<int> drained(3);
  static_cast<void>(co_await drained.recv());
  o->went_on = true;
}
task<> on_recv_unbounded(objects* o) {
  static_cast<void>(co_await o->growing.recv());
}
task<> on_recv_nil(objects* o) {
  static_cast<void>(co_await o->nil.recv());
}
task<> on_send(objects* o) {
  static_cast<void>(co_await o->empty.send(2));
}
task<> on_send_full(objects* o) {
  static_cast<void>(co_await o->full.send(2));
}
task<> on_send_copy(objects* o) {
  const int value = 2;
  static_cast<void>(co_await o->full.send(value));
}
task<> on_emplace(objects* o) {
  static_cast<void>(co_await o->full.emplace(2));
}
task<> on_send_nil(objects* o) {
  static_cast<void>(co_await o->nil.send(2));
}
task<> on_sleep(objects*) {
  co_await sleep_for(std::chrono::hours(100));
}
task<> on_sleep_until_never(objects*) {
  co_await sleep_until(time_point::max());
}
task<> wait_at_gate(chan<int> gate) {
  static_cast<void>(co_await gate.recv());
}
task<> on_join(objects* o) {
  auto h = go(wait_at_gate, o->gate);
  co_await std::move(h);
}
task<> on_read(objects* o) {
  char c;
  static_cast<void>(co_await read_some(o->pipe.reader(), &c, 1));
}
task<> on_poll(objects* o) {
  static_cast<void>(co_await readable(o->pipe.reader()));
}

struct wait_case {
  const char* name;
  task<> (*wait)(objects*);
  wait_reason reason;
};

constexpr wait_case waits[] = {
    {"receive without a buffer", on_recv, wait_reason::chan_recv},
    {"receive from an empty buffer", on_recv_buffered, wait_reason::chan_recv},
    {"receive from an unbounded channel", on_recv_unbounded, wait_reason::chan_recv},
    {"receive from nil", on_recv_nil, wait_reason::chan_nil},
    {"send without a buffer", on_send, wait_reason::chan_send},
    {"send into a full buffer", on_send_full, wait_reason::chan_send},
    {"send of a copy", on_send_copy, wait_reason::chan_send},
    {"emplace", on_emplace, wait_reason::chan_send},
    {"send to nil", on_send_nil, wait_reason::chan_nil},
    {"sleep", on_sleep, wait_reason::sleep},
    {"sleep for ever", on_sleep_until_never, wait_reason::sleep},
    {"join", on_join, wait_reason::join},
    {"read", on_read, wait_reason::read},
    {"poll", on_poll, wait_reason::poll},
};

task<> inner(objects* o, task<> (*wait)(objects*)) {
  witness first(o->log, 1);
  witness second(o->log, 0);
  co_await wait(o);
  o->went_on = true;
}

task<> middle(objects* o, task<> (*wait)(objects*)) {
  witness guard(o->log, 2);
  try {
    co_await inner(o, wait);
  } catch (...) {
    o->caught = true;
  }
  o->went_on = true;
}

task<> outer(objects* o, task<> (*wait)(objects*)) {
  witness guard(o->log, 3);
  co_await middle(o, wait);
  o->went_on = true;
}

wait_reason reason_of(std::uint64_t id) {
  for (const routine_info& r : routines()) {
    if (r.id == id) return r.reason;
  }
  return wait_reason::none;
}

task<> stop_parked(wait_case c) {
  objects o;
  auto h = go(outer, &o, c.wait);
  co_await until_waiting(h.id());
  CHECK(reason_of(h.id()) == c.reason);
  h.cancel();
  const bool stopped = co_await ends_stopped(std::move(h));
  CHECK(stopped);
  CHECK(unwound_in_order(o.log, 4));
  CHECK_FALSE(o.went_on);
  CHECK_FALSE(o.caught);
  o.gate.close();
}

task<> stop_before_start(wait_case c) {
  objects o;
  auto h = go(outer, &o, c.wait);
  h.cancel();
  const bool stopped = co_await ends_stopped(std::move(h));
  CHECK(stopped);
  CHECK(unwound_in_order(o.log, 4));
  CHECK_FALSE(o.went_on);
  CHECK_FALSE(o.caught);
  o.gate.close();
}

}  // namespace

TEST_SUITE("sched/stop") {
  TEST_CASE("stop: a routine parked on any wait unwinds, innermost frame first") {
    for (const wait_case& c : waits) {
      CAPTURE(c.name);
      counted::reset();
      everywhere([c]() -> task<> { co_await stop_parked(c); });
      CHECK(counted::balanced());
    }
  }

  TEST_CASE("stop: a routine cancelled before it starts stops at its first wait") {
    for (const wait_case& c : waits) {
      CAPTURE(c.name);
      counted::reset();
      everywhere([c]() -> task<> { co_await stop_before_start(c); });
      CHECK(counted::balanced());
    }
  }

  TEST_CASE("stop: what could be served at once is not, once a stop was requested") {
    struct ready {
      chan<int> buffered{4};
      chan<int> done{1};
      int steps = 0;
    };
    everywhere([]() -> task<> {
      auto o = std::make_unique<ready>();
      o->buffered.try_send(7);
      const auto refused = [](ready* r, int which) -> task<> {
        auto self = go([] {});
        ++r->steps;
        switch (which) {
          case 0:
            static_cast<void>(co_await r->buffered.recv());
            break;
          case 1:
            static_cast<void>(co_await r->buffered.send(8));
            break;
          case 2:
            co_await sleep_for(std::chrono::nanoseconds(0));
            break;
          case 3:
            co_await yield();
            break;
          case 4:
            co_await std::move(self);
            break;
          case 5:
            co_await blocking([r] { r->steps += 100; });
            break;
          default:
            break;
        }
        r->steps += 10;
      };
      for (int which = 0; which < 6; ++which) {
        o->steps = 0;
        auto h = go(refused, o.get(), which);
        h.cancel();
        const bool stopped = co_await ends_stopped(std::move(h));
        CHECK(stopped);
        CHECK(o->steps == 1);
        CHECK(o->buffered.len() == 1);
      }
    });
  }

  TEST_CASE("stop: a routine that never waits is not stopped, and try_* serve it") {
    everywhere([]() -> task<> {
      chan<int> c(1);
      c.try_send(5);
      auto h = go([](chan<int> in) -> task<int> { co_return in.try_recv().value_or(-1); }, c);
      h.cancel();
      const int got = co_await std::move(h);
      CHECK(got == 5);
    });
  }

  TEST_CASE("stop: a receive that was completed first delivers, and the next wait stops") {
    everywhere([]() -> task<> {
      struct seen {
        int first = 0;
        bool second = false;
      };
      auto s = std::make_unique<seen>();
      chan<int> c(0);
      const auto receive = [](chan<int> in, seen* to) -> task<> {
        to->first = (co_await in.recv()).value_or(-1);
        static_cast<void>(co_await in.recv());
        to->second = true;
      };
      auto h = go(receive, c, s.get());
      co_await until_waiting(h.id());
      CHECK(c.try_send(41));  // claims the wait
      h.cancel();
      const bool stopped = co_await ends_stopped(std::move(h));
      CHECK(stopped);
      CHECK(s->first == 41);
      CHECK_FALSE(s->second);
    });
  }

  TEST_CASE("stop: a receiver that was stopped first takes nothing, though still in the queue") {
    everywhere([]() -> task<> {
      chan<std::unique_ptr<int>> c(0);
      auto receive = [](chan<std::unique_ptr<int>> in) -> task<> {
        static_cast<void>(co_await in.recv());
      };
      auto h = go(receive, c);
      co_await until_waiting(h.id());
      h.cancel();
      auto value = std::make_unique<int>(3);
      CHECK_FALSE(c.try_send(std::move(value)));
      CHECK(value != nullptr);
      const bool stopped = co_await ends_stopped(std::move(h));
      CHECK(stopped);
    });
  }

  TEST_CASE("stop: a sender that was stopped keeps its value; one that was served does not") {
    everywhere([]() -> task<> {
      using box = std::unique_ptr<int>;
      struct cargo {
        box value = std::make_unique<int>(3);
      };
      auto sender = [](chan<box> out, cargo* from) -> task<bool> {
        co_return co_await out.send(std::move(from->value));
      };
      chan<box> c(0);
      auto kept = std::make_unique<cargo>();
      auto h = go(sender, c, kept.get());
      co_await until_waiting(h.id());
      h.cancel();
      CHECK_FALSE(c.try_recv().has_value());
      const bool stopped = co_await ends_stopped(std::move(h));
      CHECK(stopped);
      CHECK(kept->value != nullptr);

      auto sent = std::make_unique<cargo>();
      auto h2 = go(sender, c, sent.get());
      co_await until_waiting(h2.id());
      CHECK(c.try_recv().has_value());
      h2.cancel();
      const bool delivered = co_await std::move(h2);  // the last thing it does: no further wait
      CHECK(delivered);
      CHECK(sent->value == nullptr);
    });
  }

  TEST_CASE("stop: cancel of a routine that has ended changes nothing; cancel twice stops once") {
    everywhere([]() -> task<> {
      auto ended = go([]() -> task<int> { co_return 6; });
      co_await until_waiting(ended.id());
      ended.cancel();
      ended.cancel();
      const int six = co_await std::move(ended);
      CHECK(six == 6);
      join_handle<int> gone;
      gone.cancel();

      exit_log log;
      chan<int> c(0);
      auto h = go(
          [](chan<int> in, exit_log* to) -> task<> {
            witness w(*to, 0);
            static_cast<void>(co_await in.recv());
          },
          c, &log);
      co_await until_waiting(h.id());
      h.cancel();
      h.cancel();
      const bool stopped = co_await ends_stopped(std::move(h));
      CHECK(stopped);
      CHECK(unwound_in_order(log, 1));
    });
  }

  TEST_CASE("stop: a stopped joiner leaves the routine it waits for alone") {
    everywhere([]() -> task<> {
      chan<int> c(0);
      chan<int> out(1);
      auto target = go(
          [](chan<int> in, chan<int> to) -> task<> {
            const int got = (co_await in.recv()).value_or(-1);
            to.try_send(got);
          },
          c, out);
      const std::uint64_t id = target.id();
      auto joiner = go([](join_handle<> h) -> task<> { co_await std::move(h); }, std::move(target));
      co_await until_waiting(joiner.id());
      co_await until_waiting(id);
      joiner.cancel();
      const bool stopped = co_await ends_stopped(std::move(joiner));
      CHECK(stopped);
      const bool sent = co_await c.send(12);
      CHECK(sent);
      const int got = (co_await out.recv()).value_or(-1);
      CHECK(got == 12);
    });
  }

  TEST_CASE("stop: a routine that joins another, both stopped, unwinds too, in whatever order") {
    counted::reset();
    in_bubbles(
        []() -> task<> {
          struct shared {
            bool caught = false;
            exit_log log;
          };
          auto s = std::make_unique<shared>();
          chan<int> never(0);
          auto child = go(wait_at_gate, never);
          const std::uint64_t id = child.id();
          chan<join_handle<>*> handle(1);
          auto parent = go(
              [](join_handle<> h, shared* x) -> task<> {
                witness w(x->log, 0);
                try {
                  co_await std::move(h);
                } catch (...) {
                  x->caught = true;
                }
              },
              std::move(child), s.get());
          co_await until_waiting(id);
          co_await until_waiting(parent.id());
          never
              .close_recv();  // the child is runnable: it ends before or after the parent is stopped
          parent.cancel();
          const bool stopped = co_await ends_stopped(std::move(parent));
          CHECK(stopped == !s->log.empty());
          CHECK(s->log.size() == 1);
          CHECK_FALSE(s->caught);
        },
        64);
    CHECK(counted::balanced());
  }

  TEST_CASE("stop: a joiner asked to stop before it hears of a stop is unwound, not told") {
    static int between;  // cancelled after the child had ended, and before the parent went on
    between = 0;
    const detail::fibres_off one_thread;
    in_bubbles(
        []() -> task<> {
          struct shared {
            bool child_ended = false;
            bool told = false;
            bool cancelled_first = false;
          };
          struct on_exit {
            shared* x;
            explicit on_exit(shared* s) : x(s) {}
            ~on_exit() { x->child_ended = true; }
          };
          auto s = std::make_unique<shared>();
          chan<int> never(0);
          auto child = go(
              [](chan<int> in, shared* x) -> task<> {
                on_exit e(x);
                static_cast<void>(co_await in.recv());
              },
              never, s.get());
          const std::uint64_t id = child.id();
          auto canceller = go(
              [](const join_handle<>* h) -> task<> {
                co_await yield();
                h->cancel();
              },
              &child);
          co_await std::move(canceller);
          co_await until_waiting(id);
          auto parent = go(
              [](join_handle<>* h, chan<int> in, shared* x) -> task<> {
                try {
                  co_await std::move(*h);
                } catch (const stopped_error&) {
                  x->told = true;
                }
                static_cast<void>(co_await in.recv());
              },
              &child, never, s.get());
          for (int i = 0; i < 3 && !s->told; ++i)
            co_await yield();
          s->cancelled_first = !s->told;
          if (s->cancelled_first && s->child_ended) ++between;
          parent.cancel();
          const bool stopped = co_await ends_stopped(std::move(parent));
          CHECK(stopped);
          if (s->cancelled_first) CHECK_FALSE(s->told);
        },
        200);
    CHECK(between > 0);
  }

  TEST_CASE("stop: a routine that yields stops at its next yield") {
    everywhere([]() -> task<> {
      exit_log log;
      auto h = go(
          [](exit_log* to) -> task<> {
            witness w(*to, 0);
            for (;;)
              co_await yield();
          },
          &log);
      for (int i = 0; i < 10; ++i)
        co_await yield();
      h.cancel();
      const bool stopped = co_await ends_stopped(std::move(h));
      CHECK(stopped);
      CHECK(unwound_in_order(log, 1));
    });
  }

  TEST_CASE("stop: a queued blocking call is given up, a running one is waited for and delivers") {
    run({.workers = 2, .blocking_threads = 1}, []() -> task<> {
      struct shared {
        std::binary_semaphore begun{0};
        std::binary_semaphore release{0};
        bool ran = false;
        int result = 0;
        bool next = false;
      };
      auto s = std::make_unique<shared>();
      chan<int> never(0);
      auto busy = go(
          [](shared* x, chan<int> in) -> task<> {
            auto call = [x] {
              x->begun.release();
              x->release.acquire();
              return 17;
            };
            x->result = co_await blocking(call);
            static_cast<void>(co_await in.recv());
            x->next = true;
          },
          s.get(), never);
      auto first_runs = go(
          [](shared* x) -> task<> {
            x->begun.acquire();  // a moment only: the pool's thread is on its way
            co_return;
          },
          s.get());
      co_await std::move(first_runs);
      auto queued = go(
          [](shared* x) -> task<> {
            auto call = [x] { x->ran = true; };
            co_await blocking(call);
          },
          s.get());
      co_await until_waiting(queued.id());
      queued.cancel();
      const bool given_up = co_await ends_stopped(std::move(queued));
      CHECK(given_up);
      CHECK_FALSE(s->ran);
      busy.cancel();
      CHECK(s->result == 0);
      s->release.release();
      const bool stopped = co_await ends_stopped(std::move(busy));
      CHECK(stopped);
      CHECK(s->result == 17);
      CHECK_FALSE(s->next);
    });
  }
}
