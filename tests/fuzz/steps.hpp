// SPDX-License-Identifier: MIT
// What the routines of a program do: each step asks the oracle first, and checks what comes of it.
#pragma once

#include <sluice/task.hpp>

#include "fuzz/world.hpp"

#include <utility>

namespace sluice_fuzz {

/// Starts a routine; its handle lies in the record.
actor& start_one(world& w, actor& by, bool kept);

/// One step, drawn from the routine's generator.
sluice::task<> take_one(world& w, actor& a, int depth);

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

// --- files
sluice::task<> use_file(world& w, actor& a);  // where there is a directory
/// Where there is a pipe. It may wait for ever: for those only who are stopped in the end.
sluice::task<> use_pipe(world& w, actor& a);

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
