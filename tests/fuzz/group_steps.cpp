// SPDX-License-Identifier: MIT
// Steps of programs in groups: trees of them, whose routines fail, throw, are stopped, and start others.
#include <sluice/errgroup.hpp>
#include <sluice/error.hpp>
#include <sluice/result.hpp>

#include "fuzz/steps.hpp"

#include <algorithm>
#include <utility>

using namespace sluice;

namespace sluice_fuzz {

namespace {

constexpr errc failures[] = {errc::closed, errc::end_of_stream};

void start_in(world& w, actor& by, group_model& m);

/// A routine of a group.
task<result<void>> live_in_group(world* w, actor* a, group_model* m, guard) {
  const life whole(*w, *a);
  guard frame;
  w->expect(m->real != nullptr && m->running <= m->limit, *a, "runs without room in its group");
  a->waits = wait_for::nothing;
  look_around(*w, *a);
  try {
    if (a->rng.below(4) == 0) start_in(*w, *a, *m);
    co_await run_steps(*w, *a);
    if (a->rng.below(16) == 0) throw fuzz_error(a->id);
  } catch (const fuzz_error&) {
    a->end = ending::threw;
    m->throws(a->id);
    throw;
  }
  a->end = ending::returned;
  if (a->rng.below(12) == 0) {
    const errc code = failures[a->rng.below(2)];
    m->fails(code);
    co_return error(code, "fuzz");
  }
  co_return {};
}

/// Starts a routine of the group, if there may be more.
void start_in(world& w, actor& by, group_model& m) {
  if (w.actors.size() >= max_actors || !w.take_step()) return;
  w.look();
  const bool tries = by.rng.below(4) == 0;
  if (tries && m.is_full()) {
    bool run = false;
    const bool started = m.real->try_go([&run] { run = true; });
    return w.expect(!started && !run, by, "has started a routine in a group without room");
  }
  actor& c = w.new_actor(false);
  c.places.front().in = m.in;
  c.member_of = &m;
  ++w.live;
  w.note(what::spawned, by, c.id, 2);
  if (!tries && m.is_full()) w.note(what::queued, by, c.id);
  m.starts(tries);
  if (tries) {
    actor* const child = &c;
    const bool started =
        m.real->try_go([w = &w, child, m = &m] { return live_in_group(w, child, m, guard()); });
    w.expect(started, by, "has started no routine in a group with room");
  } else {
    m.real->go(live_in_group, &w, &c, &m, guard());
  }
}

/// What becomes of a group on the way out of its owner's frame.
class watches {
 public:
  watches(world& w, actor& a, group_model& m) noexcept : w_(w), a_(a), m_(m) {}
  watches(const watches&) = delete;
  watches& operator=(const watches&) = delete;
  ~watches() {
    w_.expect(m_.live == 0, a_, "has left a group before its routines");
    if (over_) return;
    w_.is_unwound(a_);
    w_.expect(m_.lost, a_, "was stopped behind a group of which all have come to their ends");
    w_.expect(!m_.failure && m_.throwers.empty() && !m_.body_threw, a_,
              "was stopped behind a group that failed");
    w_.note(what::lost, a_);
  }
  /// run() returns or throws.
  void is_over() {
    over_ = true;
    m_.real = nullptr;
    w_.goes_on(a_);
    w_.expect(m_.live == 0, a_, "goes on before the routines of its group have ended");
    w_.expect(m_.in->cancelled, a_, "left a group whose context is open still");
  }

 private:
  world& w_;
  actor& a_;
  group_model& m_;
  bool over_ = false;
};

task<> wait_for_room(world& w, actor& a, group_model& m) {
  if (w.begins(a, wait_for::room)) {
    a.group = &m;
    if (!m.is_full()) a.settled = due::ready;
  }
  co_await m.real->room();
  w.went_on(a);
}

task<> group_steps(world& w, actor& a, group_model& m, int depth) {
  for (std::uint32_t n = 1 + a.rng.below(5); n != 0 && w.take_step(); --n) {
    switch (a.rng.below(8)) {
      case 0:
        co_await wait_for_room(w, a, m);
        break;
      case 1:
        if (a.rng.below(4) == 0) {
          w.look();
          m.is_cancelled_by(errc::canceled);
          m.real->cancel();
          w.look();
          w.expect(m.in->cancelled, a, "cancelled a group whose context is open still");
        }
        break;
      case 2:
      case 3:
        co_await take_one(w, a, depth);
        break;
      default:
        start_in(w, a, m);
        break;
    }
  }
  if (a.rng.below(12) == 0) throw fuzz_error(a.id);
}

/// The body: how it ends is told when its routine stands outside again.
task<> group_body(world& w, actor& a, group_model& m, errgroup& g, int depth) {
  class ends {
   public:
    ends(actor& of, group_model& group) noexcept : a_(of), m_(group) {}
    ends(const ends&) = delete;
    ends& operator=(const ends&) = delete;
    ~ends() {
      m_.body_ends(stopped, a_.must_stop());
      a_.waits = wait_for::group;
      a_.settled = due::either;
      a_.group = &m_;
      a_.unwinding = false;
    }
    bool stopped = true;

   private:
    actor& a_;
    group_model& m_;
  };
  ends outside(a, m);
  m.real = &g;
  m.in = &w.contexts.add(g.context(), a.places.back().in, {});
  stay here(w, a, {m.in, a.places.back().shielded});
  look_around(w, a);
  try {
    co_await group_steps(w, a, m, depth);
    here.is_over();
    outside.stopped = false;
  } catch (const fuzz_error&) {
    here.is_over();
    outside.stopped = false;
    m.body_threw = true;
    m.is_cancelled_by(errc::canceled);
    throw;
  }
}

}  // namespace

task<> run_group(world& w, actor& a, int depth) {
  guard frame;
  w.look();
  const std::size_t limit = a.rng.below(2) == 0 ? 1 + a.rng.below(3) : ~std::size_t{0};
  group_model& m = w.groups.emplace_back(a, limit);
  watches whole(w, a, m);
  try {
    const auto body = [&](errgroup& g) { return group_body(w, a, m, g, depth + 1); };
    const result<void> r = co_await errgroup::run({.limit = limit}, body);
    whole.is_over();
    w.expect(m.throwers.empty() && !m.body_threw, a, "goes on behind a group that threw");
    w.expect(r ? !m.failure : r.error().code() == m.failure, a,
             "left a group, and the result is wrong");
    w.expect(!r || !m.lost || !a.must_stop(), a, "goes on behind a group that was stopped with it");
    w.note(r ? what::grouped : what::failed, a, static_cast<int>(m.lost));
  } catch (const fuzz_error& e) {
    whole.is_over();
    const bool first = !m.throwers.empty() && e.thrower == m.throwers.front();
    w.expect(first || (m.body_threw && e.thrower == a.id), a,
             "caught another exception than the first of its group");
    w.note(what::failed, a, e.thrower);
  }
}

}  // namespace sluice_fuzz
