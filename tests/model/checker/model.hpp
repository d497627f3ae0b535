// SPDX-License-Identifier: MIT
// The model checker as its tests see it: explore() runs a small program once for each way in which its
// threads can interleave and its loads can be served, within stated bounds (tests/model/README.md).
//
// A program is a function that makes its state, starts simulated threads (fibres, one runs at a time),
// joins them and checks what is left. It must do the same whenever it is run with the same choices: no
// clock, no randomness of its own, no state that outlives it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <source_location>
#include <string>
#include <vector>

namespace model {

/// Kinds of operations, as bits. A compare-exchange is a change; its failure order is a load's.
enum access : unsigned { loads = 1, stores = 2, changes = 4, all_accesses = 7 };

/// A seeded fault: wherever the source whose name ends in `file`, in a function whose name contains
/// `function`, asks for the order `from` in such an access, it gets `to`. Null matches all.
struct weakening {
  const char* file;
  const char* function;
  unsigned accesses;
  std::memory_order from;
  std::memory_order to;
};

struct bounds {
  int preemptions = 3;      // times that a thread which could go on is made to wait, per execution
  int stale = 3;            // loads that read another value than the newest one, per execution
  bool membarrier = false;  // light stores are plain and heavy_barrier() works; else all is seq_cst
  std::uint64_t most = 20'000'000;  // executions
  std::vector<weakening> weaken = {};
};

struct report {
  std::string title;
  bounds within;
  std::uint64_t executions = 0;
  bool complete = false;  // all within the bounds was explored
  int threads = 0;
  int steps = 0;  // of the longest execution: operations that other threads can notice
  bool failed = false;
  std::string what;   // of the first failure
  std::string trace;  // its steps, one a line
};

/// The execution that a program runs in.
class run {
 public:
  /// Starts a thread. All start together, when the program joins them.
  void thread(const char* name, std::function<void()> body);
  /// A thread that need not end: an execution is over when it waits and all others have ended.
  void daemon(const char* name, std::function<void()> body);
  /// Runs the threads. What follows sees all that they did.
  void join();
};

/// Explores, and stops at the first failure. Prints one line: bounds, executions, time.
report explore(const char* title, const bounds& within, const std::function<void(run&)>& program);

/// Fails the execution with `text` unless `condition` holds.
void require(bool condition, const char* text,
             std::source_location at = std::source_location::current());
[[noreturn]] void fail(const std::string& text,
                       std::source_location at = std::source_location::current());

/// Blocks the thread until `ready` holds. `ready` is called at any time, on any stack, and may look at
/// memory only by latest(); what it saw is no synchronisation.
void wait_until(const char* what, const std::function<bool()>& ready);

/// Lets others go first: in a loop that waits for another thread. sluice's cpu_relax() is this.
void yield() noexcept;

/// A word of the running thread's own; all threads start with null.
void*& thread_slot() noexcept;

/// The process-wide barrier: each thread passes a full barrier, at different moments, before it
/// returns.
void barrier_of_all() noexcept;

/// Memory that must not be touched any more in this execution: its owner has freed it.
void retire(const void* at, std::size_t bytes) noexcept;

/// Whether the running program wants asymmetric barriers (bounds::membarrier).
bool uses_membarrier() noexcept;

}  // namespace model
