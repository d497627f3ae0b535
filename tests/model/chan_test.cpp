// SPDX-License-Identifier: MIT
// Channels below their element type: sync/chan_core.cpp, as it is. Each value is received once, nobody
// waits who need not, and a stop request takes no value with it.
#include <sluice/detail/sync/chan_core.hpp>

#include "model/support/actor.hpp"
#include "model/support/check.hpp"

#include <exception>
#include <vector>

namespace {

using namespace sluice::detail;
using model::run;
using model_test::actor;

using value = model::plain<int>;

constexpr element_type ints{
    sizeof(value), alignof(value),
    [](void* to, void* from) noexcept { ::new (to) value(static_cast<value*>(from)->get()); },
    nullptr};

struct send_wait : chan_wait {
  send_wait(await_site s, chan_core* c, value& from) : chan_wait(s, c, send_kind) { slot = &from; }
  using chan_wait::send;
};
struct recv_wait : chan_wait {
  recv_wait(await_site s, chan_core* c, value& to) : chan_wait(s, c, recv_kind) { slot = &to; }
  using chan_wait::recv;
};

/// How an operation ended that passed no value.
constexpr int told_to_stop = -1;
constexpr int found_closed = -2;

/// A routine that sends and receives on one channel.
struct user : actor {
  int finish(chan_wait& w, bool suspended) {
    if (suspended) {
      if (refused()) return told_to_stop;
      await_turn();
      if (unwinding) {
        w.kind->abandon(w);
        return told_to_stop;
      }
    }
    model::require(w.outcome != chan_outcome::waiting, "a routine is resumed by nobody");
    return w.outcome == chan_outcome::done ? 0 : found_closed;
  }
  int send(chan_core& c, int v) {
    value from(v);
    send_wait w(site(), &c, from);
    const int how = finish(w, w.send({}));
    model::retire(&w, sizeof w);
    return how;
  }
  int recv(chan_core& c) {
    value to(0);
    recv_wait w(site(), &c, to);
    const int how = finish(w, w.recv({}));
    model::retire(&w, sizeof w);
    return how < 0 ? how : to.get();
  }
};

struct chan {
  explicit chan(std::size_t capacity) : c(*chan_core::make(ints, capacity)) {}
  chan(const chan&) = delete;
  chan& operator=(const chan&) = delete;
  ~chan() {
    // An execution that failed ends where it stands: waiters are still in the channel's queues.
    static std::vector<chan_core*> broken;
    if (std::uncaught_exceptions() == 0) {
      c.release();
    } else {
      broken.push_back(&c);
    }
  }
  chan_core& c;
};

/// Two senders of 1 and 2, two receivers of one value each.
[[maybe_unused]] void two_by_two(run& x, std::size_t capacity) {
  chan ch(capacity);
  user s[2];
  user r[2];
  int got[2] = {};
  for (int i = 0; i < 2; ++i) {
    x.thread(i == 0 ? "sender 1" : "sender 2",
             [&, i] { model::require(s[i].send(ch.c, i + 1) == 0, "a send fails"); });
    x.thread(i == 0 ? "receiver 1" : "receiver 2", [&, i] { got[i] = r[i].recv(ch.c); });
  }
  x.join();
  model::require(got[0] + got[1] == 3 && got[0] * got[1] == 2, "a value is lost or doubled");
}

/// A receiver is asked to stop while a value is on its way; another one waits behind it.
[[maybe_unused]] void stop_against_send(run& x, std::size_t capacity) {
  chan ch(capacity);
  user s;
  user first;
  user second;
  int got_first = 0;
  int got_second = 0;
  x.thread("sender", [&] {
    model::require(s.send(ch.c, 1) == 0, "a send fails");
    ch.c.close();
  });
  x.thread("receiver", [&] { got_first = first.recv(ch.c); });
  x.thread("other", [&] { got_second = second.recv(ch.c); });
  x.thread("stopper", [&] { request_stop(first); });
  x.join();
  model::require((got_first == 1) != (got_second == 1), "a value is lost or doubled");
  model::require(got_first == 1 || got_first == told_to_stop || got_first == found_closed,
                 "a strange end");
}

/// Sends in order, received in order, by one of each.
[[maybe_unused]] void in_order(run& x, std::size_t capacity) {
  chan ch(capacity);
  user s;
  user r;
  x.thread("sender", [&] {
    for (int i = 1; i <= 3; ++i)
      model::require(s.send(ch.c, i) == 0, "a send fails");
    ch.c.close();
  });
  x.thread("receiver", [&] {
    for (int i = 1; i <= 3; ++i)
      model::require(r.recv(ch.c) == i, "out of order");
    model::require(r.recv(ch.c) == found_closed, "closed and drained is not seen");
  });
  x.join();
}

[[maybe_unused]] void close_against_waiters(run& x) {
  chan ch(0);
  user r[2];
  int got[2] = {};
  for (int i = 0; i < 2; ++i) {
    x.thread(i == 0 ? "receiver 1" : "receiver 2", [&, i] { got[i] = r[i].recv(ch.c); });
  }
  x.thread("closer", [&] { ch.c.close(); });
  x.thread("stopper", [&] { request_stop(r[0]); });
  x.join();
  model::require(got[1] == found_closed && (got[0] == found_closed || got[0] == told_to_stop),
                 "not told of the close");
}

}  // namespace

#if !defined(MODEL_FAULT)

TEST_SUITE("model/chan_core") {
  TEST_CASE("chan_core: two senders and two receivers, each value once") {
    for (const std::size_t capacity : {0, 1}) {
      model_test::holds_both_ways(
          capacity == 0 ? "chan, 2 x 2, unbuffered" : "chan, 2 x 2, capacity 1",
          {.preemptions = 2, .stale = 0}, [=](run& x) { two_by_two(x, capacity); });
    }
  }

  TEST_CASE("chan_core: two senders and two receivers, old reads [long]") {
    for (const std::size_t capacity : {0, 1}) {
      model_test::holds_both_ways(
          capacity == 0 ? "chan, 2 x 2, unbuffered" : "chan, 2 x 2, capacity 1",
          {.preemptions = 2, .stale = 1}, [=](run& x) { two_by_two(x, capacity); });
    }
  }

  TEST_CASE("chan_core: two senders and two receivers, three preemptions [long]") {
    for (const std::size_t capacity : {0, 1}) {
      model_test::holds(capacity == 0 ? "chan, 2 x 2, unbuffered" : "chan, 2 x 2, capacity 1",
                        {.preemptions = 3, .stale = 0, .membarrier = true},
                        [=](run& x) { two_by_two(x, capacity); });
    }
  }

  TEST_CASE("chan_core: a stop request against a value") {
    for (const std::size_t capacity : {0, 1}) {
      model_test::holds_both_ways(
          capacity == 0 ? "chan, stop, unbuffered" : "chan, stop, capacity 1",
          {.preemptions = 2, .stale = 1}, [=](run& x) { stop_against_send(x, capacity); });
    }
  }

  TEST_CASE("chan_core: values arrive in order, then the close") {
    model_test::holds_both_ways("chan, order, unbuffered", {}, [](run& x) { in_order(x, 0); });
    model_test::holds_both_ways("chan, order, capacity 1", {}, [](run& x) { in_order(x, 1); });
    model_test::holds_both_ways("chan, order, unbounded", {},
                                [](run& x) { in_order(x, chan_core::no_limit); });
  }

  TEST_CASE("chan_core: close against waiters and a stop request") {
    model_test::holds_both_ways("chan, close", {.preemptions = 2, .stale = 1},
                                close_against_waiters);
  }

  TEST_CASE("chan_core: an order that is too weak is found") {
    using enum std::memory_order;
    model_test::finds("data race", "chan, lock let go of relaxed",
                      {.weaken = {{"spin_lock.hpp", "unlock", model::stores, release, relaxed}}},
                      [](run& x) { in_order(x, 0); });
    model_test::finds("data race", "chan, lock taken relaxed",
                      {.weaken = {{"spin_lock.hpp", "try_lock", model::changes, acquire, relaxed}}},
                      [](run& x) { in_order(x, 0); });
  }
}

#else

TEST_SUITE("model/chan_core, faulty") {
  TEST_CASE("chan_core: " MODEL_FAULT " is found") {
    model_test::finds("", "chan, " MODEL_FAULT, {.membarrier = true},
                      [](run& x) { stop_against_send(x, 0); });
  }
}

#endif
