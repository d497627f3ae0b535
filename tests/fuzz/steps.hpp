// SPDX-License-Identifier: MIT
// What the routines of a program do: each step asks the oracle first, and checks what comes of it.
#pragma once

#include <sluice/task.hpp>

#include "fuzz/world.hpp"

#include <utility>

namespace sluice_fuzz {

/// Starts a routine; its handle lies in the record. `in`: in that context, not the ambient one.
actor& start_one(world& w, actor& by, bool kept, context_entry* in = nullptr);

/// One step, drawn from the routine's generator.
sluice::task<> take_one(world& w, actor& a, int depth);
/// Some of them.
sluice::task<> run_steps(world& w, actor& a);
/// Some, in a task of their own, which may throw fuzz_error. Returns: the depth.
sluice::task<int> nest(world& w, actor& a, int depth);
/// Where steps nest no deeper.
inline constexpr int max_depth = 4;
/// Where no more routines are started.
inline constexpr std::size_t max_actors = 40;

// --- channels
sluice::task<> send_one(world& w, actor& a);
sluice::task<> emplace_one(world& w, actor& a);
sluice::task<> recv_one(world& w, actor& a);
void try_send_one(world& w, actor& a);
void try_recv_one(world& w, actor& a);
void close_one(world& w, actor& a);
void look_at_one(world& w, actor& a);

// --- routines
sluice::task<> join_one(world& w, actor& a, actor& target);
sluice::task<> sleep_some(world& w, actor& a);

// --- contexts, boundaries, groups
sluice::task<> hold_context(world& w, actor& a, int depth);
void end_some_context(world& w, actor& a);
void recall_one(world& w, actor& a);
void look_around(world& w, actor& a);
sluice::task<> wait_for_end(world& w, actor& a);
sluice::task<> enter_something(world& w, actor& a, int depth);
sluice::task<> run_group(world& w, actor& a, int depth);

// --- files
sluice::task<> use_file(world& w, actor& a);  // where there is a directory
/// Where there is a pipe. It may wait for ever: for those only who are stopped in the end.
sluice::task<> use_pipe(world& w, actor& a);

/// Tells the oracle that a routine has left its last frame.
class life {
 public:
  life(world& w, actor& a) noexcept : w_(w), a_(a) {}
  life(const life&) = delete;
  life& operator=(const life&) = delete;
  ~life() { w_.ends(a_); }

 private:
  world& w_;
  actor& a_;
};

/// Tells the oracle where a routine stands while the task of a boundary runs.
class stay {
 public:
  stay(world& w, actor& a, place p) : w_(w), a_(a) { a.places.push_back(p); }
  stay(const stay&) = delete;
  stay& operator=(const stay&) = delete;
  ~stay() {
    if (!over_) w_.is_unwound(a_);
    a_.places.pop_back();
  }
  /// The task returns or throws.
  void is_over() noexcept { over_ = true; }

 private:
  world& w_;
  actor& a_;
  bool over_ = false;
};

/// Runs a check when its frame is unwound by a stop that came before the wait was completed.
template <class Check>
class when_stopped {
 public:
  when_stopped(const actor& a, Check check) : a_(a), check_(std::move(check)) {}
  when_stopped(const when_stopped&) = delete;
  when_stopped& operator=(const when_stopped&) = delete;
  ~when_stopped() {
    if (a_.waits != wait_for::nothing && a_.due_of() == due::stop) check_();
  }

 private:
  const actor& a_;
  Check check_;
};

}  // namespace sluice_fuzz
