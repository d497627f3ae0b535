// SPDX-License-Identifier: MIT
// The state of an exploration: simulated threads, simulated memory, and the choices that make an
// execution. One per process; private to the checker.
//
// Memory is that of the view machines (Kang et al., "A promising semantics for relaxed-memory
// concurrency", 2017, without promises): each location keeps its stores in the order in which they were
// executed; each thread has a view, the oldest store of each location that it may still read. A release
// store carries its thread's view, an acquire load takes it over. A view holds a vector clock too, by
// which races of plain accesses are found.
// seq_cst: the view `sc_` holds, for each location, the newest store that a seq_cst operation has made
// or read; a seq_cst load reads that or a newer one (C++20, 33.5.4).
#pragma once

#include "model/checker/address_map.hpp"
#include "model/checker/engine.hpp"
#include "model/checker/fibre.hpp"
#include "model/checker/model.hpp"

#include <array>
#include <csetjmp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace model::engine {

inline constexpr int max_threads = 6;      // the program's own is number 0
inline constexpr int max_locations = 192;  // in one execution
inline constexpr int max_steps = 20'000;   // in one execution: more is taken for a loop without end
inline constexpr int max_same_stale = 2;   // times a thread reads the same old value of a location
inline constexpr int max_idle_yields = 64;  // yields in a row with nothing written in between

using stamp = std::uint16_t;  // index of a store in its location's history

struct view {
  std::array<stamp, max_locations> seen{};
  std::array<std::uint32_t, max_threads> clock{};
};

/// An operation in the source. Operations of sites that never meet a location which is written and is
/// used by two threads commute with all others: nothing is chosen there.
struct site {
  const char* file = nullptr;
  const char* function = nullptr;
  unsigned line = 0;
  bool shared = false;
  std::uint32_t weakenings = 0;  // bits: those of the bounds that apply here
};

struct message {
  word value;
  int view;  // index of the view that it carries, -1 for none
};

struct location {
  const void* at = nullptr;
  int index = 0;
  std::vector<message> history;
  unsigned readers = 0;  // bits by thread
  unsigned writers = 0;
  std::vector<site*> sites;  // not shared yet
};

/// Who accessed a plain object last.
struct access_record {
  int writer = -1;
  std::uint32_t written = 0;  // the writer's clock
  site* write_site = nullptr;
  std::array<std::uint32_t, max_threads> read{};  // 0: not
};

enum class thread_state : unsigned char { ready, blocked, finished };

struct thread {
  const char* name = "";
  std::function<void()> body;
  bool daemon = false;
  thread_state state = thread_state::finished;
  const char* waits_for = nullptr;
  std::function<bool()> ready;
  bool yielded = false;
  std::uint64_t yielded_at = 0;  // writes_ then
  void* slot = nullptr;
  view now;
  std::array<stamp, max_locations> stale_stamp{};
  std::array<std::uint8_t, max_locations> stale_count{};
  site* last = nullptr;
  std::unique_ptr<fibre> stack;
};

struct choice {
  int taken;
  int of;
};

class world {
 public:
  static world& instance() noexcept;

  // --- for model.hpp
  report explore(const char* title, const bounds& within, const std::function<void(run&)>& program);
  void add_thread(const char* name, std::function<void()> body, bool daemon);
  void run_threads();
  [[noreturn]] void fail(const std::string& text);
  void wait_until(const char* what, const std::function<bool()>& ready);
  void yield() noexcept;
  void*& slot() noexcept { return threads_[current_].slot; }
  void barrier_of_all() noexcept;
  void retire(const void* at, std::size_t bytes) noexcept;
  bool membarrier() const noexcept { return running_ && within_.membarrier; }

  // --- for engine.hpp
  bool running() const noexcept { return running_; }
  void created(const void* at, bool plain) noexcept;
  operation begin(const void* at, std::size_t bytes, unsigned kind, std::memory_order order,
                  where from) noexcept;
  word load(const operation& op) noexcept;
  word compare(const operation& op, word expected, std::memory_order failure) noexcept;
  void store(const operation& op, word value) noexcept;
  void exchange(const operation& op, word value) noexcept;
  void plain_access(const void* at, bool write) noexcept;

 private:
  friend void run_bodies(void* index);

  // explore.cpp
  void begin_execution(const std::function<void(run&)>& program);
  bool next_choices() noexcept;
  int choose(int of) noexcept;
  std::string trace_of(const std::function<void(run&)>& program);
  void print(const report& r, double seconds) const;

  // schedule.cpp
  void point() noexcept;
  bool can_run(int t) noexcept;
  void go_on_elsewhere(bool may_stay) noexcept;
  void switch_to(int t) noexcept;
  void end_execution() noexcept;
  void stuck() noexcept;

  // memory.cpp
  site& site_of(where from);
  location& location_of(const void* at, std::size_t bytes);
  stamp pick(const location& l, std::memory_order order) noexcept;
  word read(const operation& op, std::memory_order order, stamp at) noexcept;
  std::memory_order order_at(const site& s, unsigned kind, std::memory_order order) const noexcept;
  void note_use(location& l, site& s, bool write) noexcept;
  int carry(const view& v);
  void join(view& into, const view& from) const noexcept;
  void note(const char* kind, const location& l, const site& s, word value, bool old);
  void fence(int t) noexcept;

  bounds within_;
  bool running_ = false;
  bool tracing_ = false;
  bool threads_run_ = false;
  bool again_ = false;  // a site turned out to be shared: the exploration begins anew
  bool failed_ = false;
  std::string what_;
  std::string trace_;
  std::vector<choice> choices_;
  std::size_t depth_ = 0;

  std::array<thread, max_threads> threads_;
  int thread_count_ = 1;
  int current_ = 0;
  std::jmp_buf home_;
  int preemptions_ = 0;
  int stale_ = 0;
  int steps_ = 0;
  int idle_yields_ = 0;
  std::uint64_t writes_ = 0;
  std::uint64_t writes_at_yield_ = 0;

  std::unordered_map<std::uint64_t, site> sites_;
  std::vector<location>
      locations_;  // the first location_count_ are in use; the rest keep their memory
  int location_count_ = 0;
  address_map<int> by_address_;  // index + 1 of the location, 0: made anew
  address_map<access_record> plain_;
  std::vector<view> views_;
  int view_count_ = 0;
  std::array<stamp, max_locations> sc_{};
  std::vector<std::pair<const char*, const char*>> retired_;
};

/// Thrown on the program's stack to end a failed execution.
struct execution_ended {};

}  // namespace model::engine
