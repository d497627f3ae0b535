// SPDX-License-Identifier: MIT
// The beginning and the end of a routine's record: spawn, join, release.
#include "sched/routine.hpp"

#include <sluice/detail/base/assert.hpp>
#include <sluice/detail/sched/join.hpp>
#include <sluice/error.hpp>

#include "base/asymmetric.hpp"
#include "base/futex.hpp"
#include "sched/executor_core.hpp"
#include "sched/wait.hpp"

#include <cstdlib>
#include <cstring>
#include <utility>

namespace sluice::detail {

namespace {

/// Owns what spawn() was given until a record does.
class unstarted {
 public:
  explicit unstarted(const start& s) noexcept : s_(s) {}
  unstarted(const unstarted&) = delete;
  unstarted& operator=(const unstarted&) = delete;
  ~unstarted() {
    if (!s_.frame) return;
    s_.frame.destroy();
    if (s_.box != nullptr) s_.box->drop(s_.box);
  }
  void hand_over() noexcept { s_.frame = nullptr; }

 private:
  start s_;
};

/// Inlined where it counts: spawn() is half of what a short routine costs.
[[gnu::always_inline]] inline void set_up(routine& r, executor_core& ex, std::source_location at,
                                          time_point now) noexcept {
  r.unwinding = r.unwinding_if_asked = r.stopped = r.taken = r.asked = false;
  r.root.site = at;
  r.hop = nullptr;
  r.wait = nullptr;
  r.executor = &ex;
  r.joiner = nullptr;
  // relaxed: a figure for dumps
  r.since.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  // relaxed, both: published by phase and by the queue
  r.stop_requested.store(false, std::memory_order_relaxed);
  r.finished.store(0, std::memory_order_relaxed);
  // Live first, then a look whether the executor stops; stop_routines() sets its flag, passes a heavy
  // barrier, then walks the live ones: one of the two sees the other [A1] [P1] [X1].
  light_store(r.phase, routine_phase::live);
  // A branch learns it from its fork.
  if (ex.is_stopping() && r.branch == nullptr) {
    const spin_guard guard(r.join_lock);
    r.asked = true;
    r.stop_requested.store(true, std::memory_order_relaxed);  // relaxed: as above
  }
}

}  // namespace

void prepare(routine& r, executor_core& ex, std::source_location at, time_point now) noexcept {
  set_up(r, ex, at, now);
}

routine_ref spawn(const start& s, const spawn_site& where) {
  unstarted owned(s);
  worker* w = current_worker();
  executor_core* ex = where.executor;
  if (ex == nullptr) {
    if (w == nullptr) throw_panic("go: called outside a routine; use executor::go");
    ex = &w->ex;
  }
  const bool here = w != nullptr && &w->ex == ex;
  const executor_core::visit visit(here ? nullptr : ex);
  if (visit.is_refused()) throw stopped_error();
  routine& r = here ? *w->cache.take() : *routine_pool::instance().take(1);
  if (!here) tsan_forget({&r, sizeof r});  // as routine_cache::take()
  r.id = here ? w->cache.next_id() : routine_pool::instance().take_ids(1);
  r.name = where.name != nullptr ? ::strdup(where.name) : nullptr;
  r.leaf = s.frame;
  r.root.child = s.frame;
  s.frame.promise().head = &r;
  s.frame.promise().link = &r.root;
  r.box = s.box;
  r.kind = s.kind;
  r.refs.store(2, std::memory_order_relaxed);  // relaxed: as what set_up() stores
  r.claim.make_runnable();
  set_up(r, *ex, where.at, here ? w->now : ex->now());
  context_node* context = nullptr;
  if (where.context != nullptr) {
    context = where.context->get();
  } else if (where.executor == nullptr && w->current != nullptr) {
    context = membership_of(*w->current).node;
  }
  if (context != nullptr) [[unlikely]] {
    join_context(r, *context);
  }
  owned.hand_over();
  r.fibre.make(r.id);
  if (here) {
    w->count.spawned.add();
    if (!where.hold) [[likely]] {
      w->push_next(r);
    }
  } else {
    ex->foreign_spawned.fetch_add(1, std::memory_order_acq_rel);  // acq_rel: as counter::add() [K1]
    if (!where.hold) ex->inject(r);
  }
  return routine_ref(&r);
}

void release_held(routine& r) noexcept {
  make_runnable(r);
}

void release_routine(routine& r) noexcept {
  // acq_rel: release what this side did to the record; acquire what the other side did [R1]
  if (r.refs.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy_routine(r);
}

void destroy_routine(routine& r) noexcept {
  if (r.root.child) {
    if (!r.taken) {
      if (std::exception_ptr e = r.kind->exception(r.root.child)) {
        report_escape(r, std::move(e));
      }
    }
    std::exchange(r.root.child, nullptr).destroy();
  }
  if (start_box* box = std::exchange(r.box, nullptr)) box->drop(box);
  if (r.node != nullptr) [[unlikely]] {
    const context_ref drop(std::exchange(r.node, nullptr));  // of one that was stopped
  }
  retire(r);
}

void retire(routine& r) noexcept {
  {
    // Dumps and stats may be reading it, and finish() may be about to leave it.
    const spin_guard guard(r.join_lock);
    std::free(std::exchange(r.name, nullptr));
    r.branch = nullptr;
    r.phase.store(routine_phase::free, std::memory_order_relaxed);  // relaxed: read under join_lock
  }
  if (worker* w = current_worker()) {
    w->cache.give(&r);
  } else {
    routine_pool::instance().give(&r, &r);
  }
}

bool read_facts(const routine& r, routine_facts& f) noexcept {
  const spin_guard guard(
      r.join_lock);  // while it is held a live routine stays live, a done one done
  f.phase = r.phase.load(std::memory_order_acquire);  // acquire: pairs with spawn() [P1]
  if (f.phase == routine_phase::free) return false;
  f.id = r.id;
  f.state = r.claim.peek();
  f.stopping = r.must_stop();
  f.executor = r.executor;
  const time_point last(duration(r.since.load(std::memory_order_relaxed)));  // relaxed: a figure
  f.since = r.executor != nullptr ? r.executor->now() - last : duration::zero();
  f.spawned = r.root.site;
  f.name[0] = '\0';
  if (r.name != nullptr) {
    std::strncpy(f.name, r.name, sizeof f.name - 1);
    f.name[sizeof f.name - 1] = '\0';
  }
  return true;
}

// ---- routine_ref

void routine_ref::release(routine* r) noexcept {
  release_routine(*r);
}

std::uint64_t routine_ref::id() const noexcept {
  SLUICE_ASSERT(r_ != nullptr, "join_handle: id of a handle that was moved from or joined");
  return r_->id;
}

void routine_ref::request_stop() const noexcept {
  if (r_ != nullptr) detail::request_stop(*r_);
}

std::coroutine_handle<> routine_ref::take_finished() const {
  // acquire: pairs with finish(): the result is seen [J1]
  SLUICE_ASSERT(r_->finished.load(std::memory_order_acquire) == 1,
                "join: routine has not finished");
  r_->taken = true;
  if (r_->stopped) {
    const context_end e = end_of(r_->node);
    throw stopped_error(e.err ? e.cause : errc::canceled);
  }
  return r_->root.child;
}

void routine_ref::wait_blocking() const {
  if (r_ == nullptr) throw_panic("join_handle: get of a handle that was moved from or joined");
  if (current_worker() != nullptr) {
    throw_panic("join_handle: get on a worker would block it; co_await the handle");
  }
  for (;;) {
    std::uint32_t seen = 0;
    // acq_rel: acquire pairs with finish() [J1]; the mark is seen by its exchange
    if (!r_->finished.compare_exchange_strong(seen, 2, std::memory_order_acq_rel,
                                              std::memory_order_acquire) &&
        seen == 1) {
      return;
    }
    futex_wait(r_->finished, 2);
  }
}

// ---- join_wait

join_wait::join_wait(await_site at, routine_ref target)
    : wait_point(at, join_kind), target_(std::move(target)) {
  if (!target_) throw_panic("join_handle: await of a handle that was moved from or joined");
}

bool join_wait::await_suspend(std::coroutine_handle<> frame) noexcept {
  routine& self = owner();
  if (self.must_stop()) return refuse(*this, frame), true;
  routine& target = *target_.get();
  // acquire: pairs with finish(): the result is seen [J1]
  if (target.finished.load(std::memory_order_acquire) == 1) return done_at_once(*this, frame);
  begin_wait(*this, frame);
  const spin_guard guard(target.join_lock);
  if (target.finished.load(std::memory_order_acquire) == 1) return false;  // acquire: [J1]
  target.joiner = this;
  if (!self.claim.arm(claim_word::armed, self)) {
    target.joiner = nullptr;
    return refuse(*this, frame), true;
  }
  return true;
}

void join_wait::abandon(wait_point& self) noexcept {
  routine& target = *static_cast<join_wait&>(self).target_.get();
  const spin_guard guard(target.join_lock);
  if (target.joiner == &self) target.joiner = nullptr;
}

const void* join_wait::object(const wait_point& self) noexcept {
  return static_cast<const join_wait&>(self).target_.get();
}

}  // namespace sluice::detail
