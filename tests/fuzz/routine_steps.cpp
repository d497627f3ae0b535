// SPDX-License-Identifier: MIT
// Steps of programs that have to do with routines: start, join, drop, stop, sleep, nest, throw.
#include <sluice/blocking.hpp>
#include <sluice/error.hpp>
#include <sluice/go.hpp>
#include <sluice/routine.hpp>
#include <sluice/time.hpp>

#include "fuzz/steps.hpp"

#include <chrono>
#include <utility>

using namespace sluice;

namespace sluice_fuzz {

task<> run_steps(world& w, actor& a) {
  const std::uint32_t own = 1 + a.rng.below(12);
  for (std::uint32_t i = 0; i != own && w.take_step(); ++i)
    co_await take_one(w, a, 0);
}

namespace {

/// The body of a routine.
task<parcel> live_on(world* w, actor* a, guard) {
  const life whole(*w, *a);
  guard frame;
  a->waits = wait_for::nothing;
  try {
    co_await run_steps(*w, *a);
    if (a->kept && a->rng.below(12) == 0) throw fuzz_error(a->id);
  } catch (const fuzz_error&) {
    a->end = ending::threw;
    throw;
  } catch (const stopped_error&) {
    a->end = ending::threw;
    a->throws_stop = true;
    throw;
  }
  a->end = ending::returned;
  co_return parcel(a->result);
}

/// Does something on every way out of its frame, while a routine is unwound too.
class last_words {
 public:
  last_words(world& w, actor& a) noexcept : w_(w), a_(a) {}
  last_words(const last_words&) = delete;
  last_words& operator=(const last_words&) = delete;
  ~last_words() {
    switch (a_.rng.below(4)) {
      case 0:
        try_send_one(w_, a_);
        break;
      case 1:
        try_recv_one(w_, a_);
        break;
      case 2:
        if (actor* t = w_.some_running(a_); t != nullptr && t != &a_) w_.cancel(a_, *t);
        break;
      default:
        break;
    }
  }

 private:
  world& w_;
  actor& a_;
};

}  // namespace

task<int> nest(world& w, actor& a, int depth) {
  guard outer;
  const last_words words(w, a);
  guard inner;
  const std::uint32_t own = 1 + a.rng.below(3);
  for (std::uint32_t i = 0; i != own && w.take_step(); ++i)
    co_await take_one(w, a, depth);
  if (a.rng.below(5) == 0) throw fuzz_error(a.id);
  co_return depth;
}

namespace {

task<> nest_one(world& w, actor& a, int depth) {
  guard frame;
  try {
    const int seen = co_await nest(w, a, depth + 1);
    w.expect(seen == depth + 1, a, "got another task's result");
    w.note(what::nested, a, depth);
  } catch (const fuzz_error& e) {
    w.expect(e.thrower == a.id, a, "caught another routine's exception");
    w.note(what::thrown, a, depth);
  }
}

task<> yield_once(world& w, actor& a) {
  static_cast<void>(w.begins(a, wait_for::turn));
  co_await yield();
  w.went_on(a);
  w.note(what::yielded, a);
}

task<> block_once(world& w, actor& a) {
  guard frame;
  int calls = 0;
  const bool throws = a.rng.below(4) == 0;
  const auto f = [&]() -> int {
    ++calls;
    if (throws) throw fuzz_error(a.id);
    return calls;
  };
  const when_stopped not_called(
      a, [&] { w.expect(calls == 0, a, "was stopped, though its blocking call was made"); });
  static_cast<void>(w.begins(a, wait_for::turn));
  try {
    const int n = co_await blocking(f);
    w.went_on(a);
    w.expect(n == 1 && !throws, a, "got a wrong result of a blocking call");
  } catch (const fuzz_error& e) {
    w.went_on(a);
    w.expect(throws && e.thrower == a.id, a, "caught an exception of another blocking call");
  }
  w.note(what::blocked, a, calls);
}

void drop_one(world& w, actor& a) {
  actor* t = w.some_joinable(a);
  if (t == nullptr) return;
  w.note(what::detached, a, t->id);
  const join_handle<parcel> gone = std::move(t->handle);
}

}  // namespace

actor& start_one(world& w, actor& by, bool kept, context_entry* in) {
  actor& a = w.new_actor(kept);
  a.places.front().in = in != nullptr ? in : by.places.back().in;
  ++w.live;
  w.note(what::spawned, by, a.id, kept ? 1 : 0);
  if (in != nullptr) {
    a.handle = go_in(in->real, live_on, &w, &a, guard());
  } else if (by.rng.below(3) == 0) {  // with state of its own: boxed
    a.handle = go([g = guard(), &w, &a]() -> task<parcel> {
      g.check();
      co_return co_await live_on(&w, &a, guard());
    });
  } else {
    a.handle = go(live_on, &w, &a, guard());
  }
  return a;
}

task<> sleep_some(world& w, actor& a) {
  guard frame;
  // A few lengths only: some that sleep are due at the same time.
  const auto d = std::chrono::microseconds(a.rng.below(12) * 500);
  const time_point until = clock::now() + d;
  if (w.begins(a, wait_for::sleep)) {
    a.until = until;
    if (d.count() == 0) a.settled = due::ready;
  }
  if (a.rng.below(2) == 0) {
    co_await sleep_for(d);
  } else {
    co_await sleep_until(until);
  }
  w.went_on(a);
  w.note(what::slept, a, (clock::now() - until).count());
}

task<> join_one(world& w, actor& a, actor& target) {
  guard frame;
  join_handle<parcel> h = std::move(target.handle);
  const bool passes_on = a.kept && a.id != 0 && a.places.size() == 1 && a.rng.below(4) == 0;
  if (w.begins(a, wait_for::join)) {
    a.target = target.end == ending::none ? &target : nullptr;
    if (target.end != ending::none) {
      a.settled = due::ready;
    } else {
      target.joiner = &a;
    }
  }
  try {
    const parcel p = co_await std::move(h);
    w.went_on(a);
    w.expect(target.end == ending::returned && p.number() == target.result, a,
             "joined, and the result is wrong");
  } catch (const fuzz_error& e) {
    w.went_on(a);
    w.expect(target.end == ending::threw && !target.throws_stop && e.thrower == target.id, a,
             "joined, and the exception is wrong");
  } catch (const stopped_error&) {
    w.went_on(a);
    w.expect(target.end == ending::stopped || target.throws_stop, a,
             "joined, and is told that a routine was stopped that was not");
    if (passes_on) throw;
  }
  w.note(what::joined, a, target.id, static_cast<int>(target.end));
}

task<> take_one(world& w, actor& a, int depth) {
  actor* other = nullptr;
  switch (a.rng.below(42)) {
    case 0:
    case 1:
    case 2:
    case 3:
      co_await send_one(w, a);
      break;
    case 4:
    case 5:
      co_await emplace_one(w, a);
      break;
    case 6:
    case 7:
    case 8:
    case 9:
    case 10:
      co_await recv_one(w, a);
      break;
    case 11:
    case 12:
      try_send_one(w, a);
      break;
    case 13:
    case 14:
      try_recv_one(w, a);
      break;
    case 15:
      if (a.rng.below(4) == 0) close_one(w, a);
      look_at_one(w, a);
      break;
    case 16:
    case 17:
      co_await sleep_some(w, a);
      break;
    case 18:
    case 19:
      co_await yield_once(w, a);
      break;
    case 20:
      co_await block_once(w, a);
      break;
    case 21:
    case 22:
      if (w.actors.size() < max_actors) start_one(w, a, a.rng.below(2) == 0);
      break;
    case 23:
      drop_one(w, a);
      break;
    case 24:
    case 25:
      other = w.some_joinable(a);
      if (other != nullptr) co_await join_one(w, a, *other);
      break;
    case 26:
    case 27:
      other = w.some_running(a);
      if (other != nullptr) w.cancel(a, *other);
      break;
    case 28:
    case 29:
      if (world::may_wait_for_ever(a) && !w.pipes.empty() && a.rng.below(4) != 0) {
        co_await use_pipe(w, a);
      } else if (w.limit.dir != nullptr) {
        co_await use_file(w, a);
      }
      break;
    case 30:
    case 31:
      if (depth < max_depth) co_await nest_one(w, a, depth);
      break;
    case 32:
    case 33:
      if (depth < max_depth) co_await hold_context(w, a, depth);
      break;
    case 34:
      end_some_context(w, a);
      break;
    case 35:
      recall_one(w, a);
      look_around(w, a);
      break;
    case 36:
      co_await wait_for_end(w, a);
      break;
    case 37:
    case 38:
    case 39:
      if (depth < max_depth) co_await enter_something(w, a, depth);
      break;
    default:
      if (depth < max_depth && w.actors.size() < max_actors) co_await run_group(w, a, depth);
      break;
  }
}

}  // namespace sluice_fuzz
