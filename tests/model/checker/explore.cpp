// SPDX-License-Identifier: MIT
// The search: depth first over the choices of an execution, each execution run from the beginning.
#include "model/checker/world.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace model {

namespace engine {

world& world::instance() noexcept {
  static world* const w = new world;  // never destroyed: its fibres are part of it
  return *w;
}

/// Takes the next branch, of `of`. The first one is always tried first.
int world::choose(int of) noexcept {
  if (of <= 1 || again_) return 0;
  if (depth_ == choices_.size()) choices_.push_back({0, of});
  const choice& c = choices_[depth_++];
  if (c.of != of) {
    std::fputs("model: the program does not do the same when run with the same choices\n", stderr);
    std::abort();
  }
  return c.taken;
}

/// Returns: false if all has been explored.
bool world::next_choices() noexcept {
  if (again_) {
    choices_.clear();
    return true;
  }
  while (!choices_.empty() && choices_.back().taken + 1 == choices_.back().of)
    choices_.pop_back();
  if (choices_.empty()) return false;
  ++choices_.back().taken;
  return true;
}

void world::begin_execution(const std::function<void(run&)>& program) {
  depth_ = 0;
  again_ = failed_ = false;
  what_.clear();
  thread_count_ = 1;
  current_ = 0;
  preemptions_ = within_.preemptions;
  stale_ = within_.stale;
  steps_ = idle_yields_ = 0;
  writes_ = writes_at_yield_ = 0;
  location_count_ = view_count_ = 0;
  by_address_.clear();
  plain_.clear();
  retired_.clear();
  sc_ = {};
  thread& main = threads_[0];
  main.name = "program";
  main.now = view{};
  main.now.clock[0] = 1;
  main.slot = nullptr;
  main.last = nullptr;
  running_ = true;
  try {
    run r;
    program(r);
  } catch (const execution_ended&) {
  }
  running_ = false;
}

void world::add_thread(const char* name, std::function<void()> body, bool daemon) {
  if (thread_count_ == max_threads) {
    std::fputs("model: too many threads\n", stderr);
    std::abort();
  }
  thread& t = threads_[static_cast<std::size_t>(thread_count_++)];
  t.name = name;
  t.body = std::move(body);
  t.daemon = daemon;
  t.state = thread_state::ready;
  t.waits_for = nullptr;
  t.yielded = false;
  t.slot = nullptr;
  t.stale_stamp = {};
  t.stale_count = {};
  t.last = nullptr;
}

std::string world::trace_of(const std::function<void(run&)>& program) {
  const std::string what = what_;
  tracing_ = true;
  trace_.clear();
  begin_execution(program);
  tracing_ = false;
  if (!failed_ || what_ != what) trace_ += "  (the trace does not show the failure again)\n";
  return trace_;
}

report world::explore(const char* title, const bounds& within,
                      const std::function<void(run&)>& program) {
  const auto began = std::chrono::steady_clock::now();
  report r;
  r.title = title;
  r.within = within_ = within;
  sites_.clear();
  choices_.clear();
  again_ = false;
  do {
    begin_execution(program);
    ++r.executions;
    if (again_) continue;  // found again with the choices that were missing
    r.threads = std::max(r.threads, thread_count_ - 1);
    r.steps = std::max(r.steps, steps_);
    if (failed_) {
      r.failed = true;
      r.what = what_;
      r.trace = trace_of(program);
      break;
    }
  } while (next_choices() && r.executions < within.most);
  r.complete = !r.failed && choices_.empty();
  print(r, std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
  return r;
}

void world::print(const report& r, double seconds) const {
  std::printf(
      "model: %s: %llu interleavings of %d threads, at most %d steps; preemptions <= %d, "
      "old reads <= %d, %s; %.2f s; %s%s\n",
      r.title.c_str(), static_cast<unsigned long long>(r.executions), r.threads, r.steps,
      within_.preemptions, within_.stale, within_.membarrier ? "membarrier" : "seq_cst", seconds,
      r.failed     ? "FOUND: "
      : r.complete ? "holds"
                   : "NOT COMPLETE: limit reached",
      r.what.c_str());
  std::fflush(stdout);
}

// ---- what atomic<T> and plain<T> call

namespace {
world& the() noexcept {
  return world::instance();
}
}  // namespace

bool on() noexcept {
  return the().running();
}
void created(const void* at) noexcept {
  if (the().running()) the().created(at, false);
}
void plain_created(const void* at) noexcept {
  if (the().running()) the().created(at, true);
}
operation begin(const void* at, std::size_t bytes, unsigned kind, std::memory_order order,
                where from) noexcept {
  return the().begin(at, bytes, kind, order, from);
}
word load(const operation& op) noexcept {
  return the().load(op);
}
void store(const operation& op, word value) noexcept {
  the().store(op, value);
}
void exchange(const operation& op, word value) noexcept {
  the().exchange(op, value);
}
word compare(const operation& op, word expected, std::memory_order failure) noexcept {
  return the().compare(op, expected, failure);
}
void plain_read(const void* at) noexcept {
  the().plain_access(at, false);
}
void plain_write(const void* at) noexcept {
  the().plain_access(at, true);
}

}  // namespace engine

// ---- model.hpp

void run::thread(const char* name, std::function<void()> body) {
  engine::world::instance().add_thread(name, std::move(body), false);
}
void run::daemon(const char* name, std::function<void()> body) {
  engine::world::instance().add_thread(name, std::move(body), true);
}
void run::join() {
  engine::world::instance().run_threads();
}

report explore(const char* title, const bounds& within, const std::function<void(run&)>& program) {
  return engine::world::instance().explore(title, within, program);
}

void fail(const std::string& text, std::source_location at) {
  const char* slash = std::strrchr(at.file_name(), '/');
  engine::world::instance().fail(text + " (" + (slash != nullptr ? slash + 1 : at.file_name()) +
                                 ":" + std::to_string(at.line()) + ")");
}
void require(bool condition, const char* text, std::source_location at) {
  if (!condition) fail(text, at);
}
void wait_until(const char* what, const std::function<bool()>& ready) {
  engine::world::instance().wait_until(what, ready);
}
void yield() noexcept {
  engine::world::instance().yield();
}
void*& thread_slot() noexcept {
  return engine::world::instance().slot();
}
void barrier_of_all() noexcept {
  engine::world::instance().barrier_of_all();
}
void retire(const void* at, std::size_t bytes) noexcept {
  engine::world::instance().retire(at, bytes);
}
bool uses_membarrier() noexcept {
  return engine::world::instance().membarrier();
}

}  // namespace model
