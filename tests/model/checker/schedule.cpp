// SPDX-License-Identifier: MIT
// Which thread runs: switches at shared operations, blocking, spinning, the end of an execution.
#include "model/checker/world.hpp"

#include <array>
#include <cstdlib>

namespace model::engine {

/// The loop that each fibre runs: the body of its thread, once for each execution.
void run_bodies(void* argument) {
  world& w = world::instance();
  auto& t = *static_cast<thread*>(argument);
  for (;;) {
    t.body();
    t.state = thread_state::finished;
    ++w.writes_;
    w.go_on_elsewhere(false);
  }
}

bool world::can_run(int t) noexcept {
  thread& each = threads_[static_cast<std::size_t>(t)];
  if (each.state == thread_state::blocked && each.ready()) {
    each.state = thread_state::ready;
    each.waits_for = nullptr;
  }
  return each.state == thread_state::ready;
}

/// Before an operation that others can notice: another thread may run first, at the price of a
/// preemption.
void world::point() noexcept {
  if (!threads_run_) return;
  if (++steps_ > max_steps) fail("the execution does not end");
  if (preemptions_ == 0) return;
  std::array<int, max_threads> others{};
  int n = 0;
  for (int t = 1; t < thread_count_; ++t) {
    if (t == current_ || !can_run(t)) continue;
    const thread& each = threads_[static_cast<std::size_t>(t)];
    if (each.yielded && each.yielded_at == writes_) continue;  // it would find nothing new
    others[static_cast<std::size_t>(n++)] = t;
  }
  const int c = choose(n + 1);
  if (c == 0) return;
  --preemptions_;
  switch_to(others[static_cast<std::size_t>(c - 1)]);
}

/// The current thread cannot or need not go on: any other may, at no price.
void world::go_on_elsewhere(bool may_stay) noexcept {
  std::array<int, max_threads> fresh{};
  int n = 0;
  int waiting = 0;  // spins, and nothing was written since it looked
  for (int t = 1; t < thread_count_; ++t) {
    if (t == current_ || !can_run(t)) continue;
    const thread& each = threads_[static_cast<std::size_t>(t)];
    if (each.yielded && each.yielded_at == writes_) {
      // In turns: one that has read an old value goes on where the others cannot.
      if (waiting == 0 || (waiting < current_ && t > current_)) waiting = t;
      continue;
    }
    fresh[static_cast<std::size_t>(n++)] = t;
  }
  if (n > 0) {
    idle_yields_ = 0;
    return switch_to(fresh[static_cast<std::size_t>(choose(n))]);
  }
  if (may_stay || waiting != 0) {
    if (++idle_yields_ > max_idle_yields) fail("all threads spin, and none of them will end it");
    if (waiting != 0) switch_to(waiting);
    return;
  }
  if (can_run(current_)) return;  // its own wait has ended meanwhile
  stuck();
}

void world::stuck() noexcept {
  bool over = true;
  std::string who;
  for (int t = 1; t < thread_count_; ++t) {
    const thread& each = threads_[static_cast<std::size_t>(t)];
    if (each.state != thread_state::blocked) continue;
    over = over && each.daemon;
    who += std::string(who.empty() ? "" : ", ") + each.name + " waits for " + each.waits_for;
  }
  if (!over) fail("deadlock: " + who);
  end_execution();
}

void world::switch_to(int t) noexcept {
  if (t == current_) return;
  thread& from = threads_[static_cast<std::size_t>(current_)];
  thread& to = threads_[static_cast<std::size_t>(t)];
  if (tracing_) trace_ += std::string("  -- ") + to.name + " runs\n";
  current_ = t;
  to.yielded = false;
  from.stack->pass(*to.stack);
}

void world::end_execution() noexcept {
  thread& last = threads_[static_cast<std::size_t>(current_)];
  last.stack->leave(home_);
  // Comes back with the next execution's body if the thread had finished; else the stack starts anew.
}

void world::run_threads() {
  for (int t = 1; t < thread_count_; ++t) {
    thread& each = threads_[static_cast<std::size_t>(t)];
    if (!each.stack) each.stack = std::make_unique<fibre>(&run_bodies, &each);
    each.now = threads_[0].now;
    each.now.clock[static_cast<std::size_t>(t)] = 1;
  }
  ++threads_[0].now.clock[0];
  if (thread_count_ > 1) {
    threads_run_ = true;
    const int first = 1 + choose(thread_count_ - 1);
    current_ = first;
    if (tracing_) {
      trace_ += std::string("  -- ") + threads_[static_cast<std::size_t>(first)].name + " runs\n";
    }
    threads_[static_cast<std::size_t>(first)].stack->enter(home_);
    threads_run_ = false;
    current_ = 0;
  }
  for (int t = 1; t < thread_count_; ++t) {
    thread& each = threads_[static_cast<std::size_t>(t)];
    if (each.state != thread_state::finished) each.stack->restart();
    join(threads_[0].now, each.now);
  }
  if (failed_) throw execution_ended{};
}

void world::wait_until(const char* what, const std::function<bool()>& ready) {
  if (!threads_run_ || ready()) return;
  thread& t = threads_[static_cast<std::size_t>(current_)];
  t.state = thread_state::blocked;
  t.waits_for = what;
  t.ready = ready;
  if (tracing_) trace_ += std::string("  ") + t.name + " waits for " + what + "\n";
  while (t.state == thread_state::blocked)
    go_on_elsewhere(false);
}

void world::yield() noexcept {
  if (!threads_run_) return;
  if (++steps_ > max_steps) fail("the execution does not end");
  thread& t = threads_[static_cast<std::size_t>(current_)];
  if (writes_ != writes_at_yield_) idle_yields_ = 0;
  writes_at_yield_ = writes_;
  t.yielded = true;
  t.yielded_at = writes_;
  go_on_elsewhere(true);
  t.yielded = false;
}

void world::fail(const std::string& text) {
  if (!failed_) what_ = text;
  failed_ = true;
  if (threads_run_) {
    end_execution();
    std::abort();  // not reached
  }
  throw execution_ended{};
}

}  // namespace model::engine
