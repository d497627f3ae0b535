// SPDX-License-Identifier: MIT
// Steps of programs on contexts: make one, start in it, run in it, await its end, have functions run then.
#include <sluice/context.hpp>
#include <sluice/error.hpp>

#include "fuzz/steps.hpp"

#include <chrono>
#include <utility>

using namespace sluice;

namespace sluice_fuzz {

namespace {

/// Cancels a context on every way out of its frame.
class holds {
 public:
  holds(world& w, actor& a, context_entry& e) noexcept : w_(w), a_(a), e_(e) {}
  holds(const holds&) = delete;
  holds& operator=(const holds&) = delete;
  ~holds() {
    w_.look();
    if (!e_.cancelled) e_.reasons.push_back(errc::canceled);
    e_.owner.reset();
    w_.look();
    w_.expect(e_.cancelled, a_, "has dropped a context that is open still");
  }

 private:
  world& w_;
  actor& a_;
  context_entry& e_;
};

/// Of a wait for the end of a context: what comes while the routine is unwound is too late for it.
class waits {
 public:
  waits(world& w, actor& a) noexcept : w_(w), a_(a) {}
  waits(const waits&) = delete;
  waits& operator=(const waits&) = delete;
  ~waits() {
    if (a_.waits == wait_for::done) w_.is_unwound(a_);
  }

 private:
  world& w_;
  actor& a_;
};

context_entry& make_context(world& w, actor& a) {
  w.look();
  context_entry* parent = a.places.back().in;
  if (!w.contexts.entries.empty() && a.rng.below(4) == 0) {
    parent =
        &w.contexts.entries[a.rng.below(static_cast<std::uint32_t>(w.contexts.entries.size()))];
  }
  const context above = parent != nullptr ? parent->real : context::background();
  context_model::kind k;
  k.cause = errc::deadline_exceeded;
  const auto made = [&](owned_context&& own) -> context_entry& {
    context_entry& e = w.contexts.add(own, parent, k);
    e.owner.emplace(std::move(own));
    return e;
  };
  switch (a.rng.below(5)) {
    case 0: {
      const auto d = std::chrono::microseconds(a.rng.below(12) * 500);
      k.deadline = clock::now() + d;
      return made(above.with_timeout(d));
    }
    case 1: {
      k.deadline = clock::now() + std::chrono::microseconds(a.rng.below(9) * 1000);
      k.cause = errc::closed;
      return made(above.with_deadline(k.deadline, k.cause));
    }
    case 2:
      k.value = a.id + 1;
      return made(above.with_value<tag>(k.value).with_cancel());
    case 3:
      k.shields = true;
      k.value = parent != nullptr ? parent->value : 0;
      return made(above.without_cancel().with_cancel());
    default:
      return made(above.with_cancel());
  }
}

void run_after(world* w, after_end* f) {
  w->look();
  ++f->runs;
  w->expect(f->of->cancelled, w->actors[0], "a function runs before its context has ended");
  w->note(what::after, w->actors[0], f->of->id);
}

void recall(world& w, actor& a, after_end& f) {
  w.look();
  const bool in_time = f.handle->stop();
  w.expect(in_time == (!f.of->cancelled && !f.recalled), a,
           "is told wrongly whether a function was taken back in time");
  f.recalled |= in_time;
  if (in_time) w.note(what::recalled, a, f.of->id);
}

void add_after(world& w, actor& a, const context_entry& e) {
  after_end& f = w.after_ends.emplace_back(e);
  f.handle = e.real.after_func(run_after, &w, &f);
  if (a.rng.below(4) == 0) recall(w, a, f);
}

}  // namespace

task<> hold_context(world& w, actor& a, int depth) {
  guard frame;
  context_entry& e = make_context(w, a);
  const holds until_here(w, a, e);
  w.look();
  w.contexts.check(&e, e.real);
  w.note(what::made, a, e.id);
  for (std::uint32_t n = 1 + a.rng.below(3); n != 0 && w.take_step(); --n) {
    switch (a.rng.below(4)) {
      case 0:
        if (w.actors.size() < max_actors) start_one(w, a, a.rng.below(2) == 0, &e);
        break;
      case 1:
        add_after(w, a, e);
        break;
      case 2:
        if (a.rng.below(2) == 0)
          w.cancel_context(a, e, a.rng.below(2) == 0 ? errc::closed : std::error_code());
        break;
      default:
        co_await take_one(w, a, depth + 1);
        break;
    }
  }
}

void end_some_context(world& w, actor& a) {
  if (context_entry* e = w.some_owned_context(a)) {
    w.cancel_context(a, *e, a.rng.below(3) == 0 ? errc::end_of_stream : std::error_code());
  }
}

void recall_one(world& w, actor& a) {
  if (w.after_ends.empty()) return;
  recall(w, a, w.after_ends[a.rng.below(static_cast<std::uint32_t>(w.after_ends.size()))]);
}

void look_around(world& w, actor& a) {
  w.look();
  w.contexts.check(a.places.back().in, context::current());
}

task<> wait_for_end(world& w, actor& a) {
  guard frame;
  if (w.contexts.entries.empty()) co_return;
  const context_entry& e =
      w.contexts.entries[a.rng.below(static_cast<std::uint32_t>(w.contexts.entries.size()))];
  const bool ends_by_itself = e.cancelled || e.deadline != time_point::max();
  if (!ends_by_itself && !world::may_wait_for_ever(a)) co_return;
  const waits for_it(w, a);
  static_cast<void>(w.begins(a, wait_for::done));
  a.awaited = &e;
  if (e.cancelled) a.settled = due::ready;  // before any stop
  co_await e.real.done();
  w.went_on(a);
  w.expect(e.cancelled, a, "is told of the end of a context that is open");
  w.note(what::told, a, e.id);
}

}  // namespace sluice_fuzz
