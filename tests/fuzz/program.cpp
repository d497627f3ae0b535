// SPDX-License-Identifier: MIT
// A program from its beginning to its end: what is there, what the main routine does, how all of it is
// wound down, and what must be as it was before.
#include "fuzz/program.hpp"

#include <sluice/chan.hpp>
#include <sluice/stats.hpp>
#include <sluice/testing/bubble.hpp>
#include <sluice/time.hpp>

#include "fuzz/steps.hpp"

#include <chrono>
#include <exception>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

using namespace sluice;

namespace sluice_fuzz {

namespace {

/// Open descriptors of the first 64, by one system call: a leak is the next one free.
int open_descriptors() {
  pollfd all[64];
  for (int i = 0; i != 64; ++i)
    all[i] = {i, 0, 0};
  if (::poll(all, 64, 0) < 0) return -1;
  int n = 0;
  for (const pollfd& one : all)
    n += (one.revents & POLLNVAL) == 0 ? 1 : 0;
  return n;
}

void add_channel(world& w) {
  const std::uint32_t kind = w.rng.below(6);
  if (kind == 5) {
    w.channels.emplace_back(chan<parcel>(unbounded), chan_model::no_limit, false);
  } else {
    const std::size_t capacity = kind < 2 ? 0 : kind - 1;
    w.channels.emplace_back(chan<parcel>(capacity), capacity, false);
  }
}

void add_pipe(world& w) {
  int ends[2];
  const int flags = w.rng.below(2) == 0 ? O_CLOEXEC : O_CLOEXEC | O_NONBLOCK;
  if (::pipe2(ends, flags) != 0) return w.fail(nullptr, "cannot make a pipe");
  ::fcntl(ends[1], F_SETPIPE_SZ, 4096);  // soon full
  w.pipes.push_back({ends[0], ends[1]});
}

/// Waits until nothing moves, and looks whether anything should.
task<> settle_down(world& w) {
  co_await testing::settle();
  w.check_settled();
}

task<> stir(world& w, actor& me) {
  const std::uint32_t rounds = 1 + me.rng.below(4);
  for (std::uint32_t i = 0; i != rounds; ++i) {
    // Now and then more than a worker's queue holds.
    const std::uint32_t burst = me.rng.below(400) == 0 ? 300 : 1 + me.rng.below(5);
    for (std::uint32_t n = 0; n != burst; ++n)
      start_one(w, me, me.rng.below(2) == 0);
    for (std::uint32_t n = me.rng.below(4); n != 0 && w.take_step(); --n) {
      switch (me.rng.below(4)) {
        case 0:
          try_send_one(w, me);
          break;
        case 1:
          try_recv_one(w, me);
          break;
        case 2:
          if (actor* t = w.some_running(me)) w.cancel(me, *t);
          break;
        default:
          co_await sleep_some(w, me);
          break;
      }
    }
    if (me.rng.below(3) != 0) co_await settle_down(w);
  }
}

/// Ends what would wait for ever, in any order: closes all channels, stops who may wait for more.
void wind_down(world& w, actor& me) {
  const bool stops_first = me.rng.below(2) == 0;
  const auto stop = [&](bool all) {
    for (actor& a : w.actors) {
      if (a.handle && (all ? a.kept : me.rng.below(3) == 0)) w.cancel(me, a);
    }
  };
  if (stops_first) stop(true);
  w.look();
  for (channel& c : w.channels) {
    if (c.model.is_open() && me.rng.below(2) == 0) {
      static_cast<void>(c.model.close());
      c.real.close();
    } else if (c.model.is_open()) {
      c.model.close_recv();
      c.real.close_recv();
    }
  }
  stop(false);
  if (!stops_first) stop(true);
}

/// Joins or drops every handle. Routines go on meanwhile, and start others.
task<> join_all(world& w, actor& me) {
  for (std::size_t i = 1; i < w.actors.size(); ++i) {
    actor& a = w.actors[i];
    if (!a.handle) continue;
    if (a.kept && a.end == ending::none) w.cancel(me, a);
    if (a.kept || me.rng.below(4) != 0) {
      co_await join_one(w, me, a);
    } else {
      w.note(what::detached, me, a.id);
      const join_handle<parcel> gone = std::move(a.handle);
    }
  }
}

task<> main_routine(world* w) {
  actor& me = w->actors[0];
  me.waits = wait_for::nothing;
  co_await stir(*w, me);
  wind_down(*w, me);
  co_await join_all(*w, me);
  // Detached ones sleep still, and may start others: the limit is far above what all can sleep.
  constexpr int most = 1000;
  for (int i = 0; i != most && w->live != 0; ++i) {
    co_await sleep_for(std::chrono::milliseconds(10));
    co_await join_all(*w, me);
  }
  co_await settle_down(*w);
}

/// What the process must have as many of as before.
struct possessions {
  std::size_t frame_bytes = memory().frame_bytes;
  int descriptors = open_descriptors();
};

void run_in_bubble(world& w) {
  try {
    testing::bubble([&w] { return main_routine(&w); },
                    {.seed = w.limit.seed, .workers = 1 + static_cast<int>(w.rng.below(4))});
  } catch (const std::exception& e) {
    w.fail_with(e.what());
  }
}

}  // namespace

verdict run_program(const limits& l) {
  const possessions before;
  verdict v;
  {
    world w(l);
    w.new_actor(true);
    for (std::uint32_t n = 1 + w.rng.below(4); n != 0; --n)
      add_channel(w);
    if (l.dir != nullptr) {
      for (std::uint32_t n = w.rng.below(3); n != 0; --n)
        add_pipe(w);
    }
    run_in_bubble(w);
    if (w.failure().empty()) w.check_over();
    v = {w.failure(), w.history(), w.digest(), w.count};
  }
  const possessions after;
  if (v.failure.empty() && after.frame_bytes != before.frame_bytes) {
    v.failure = "program: bytes in frames are not as many as before";
  }
  if (v.failure.empty() && after.descriptors != before.descriptors) {
    v.failure = "program: descriptors are not as many as before";
  }
  return v;
}

limits shrink(const limits& l) {
  limits least = l;
  for (least.steps = 0; least.steps < 400; ++least.steps) {
    if (!run_program(least).failure.empty()) return least;
  }
  return l;
}

}  // namespace sluice_fuzz
