// SPDX-License-Identifier: MIT
// A program that is measured: it serves rows over stdin and stdout, one line each way, so that the
// rounds of sluice and of its peers alternate in one run. sluice itself is served like any peer.
//
//   rows                 -> the names of its rows, separated by spaces
//   run ROW WORKERS N    -> "ns T": N operations took T ns in all; counts may follow ("allocs A
//                           syscalls S wakeups W instructions I"), or figures of the row's own;
//                           "skip": it has no counterpart with that many workers
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <iostream>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace perf {

/// What a program did up to a moment; differences are reported.
struct counts {
  std::uint64_t allocs = 0;        // calls of operator new
  std::uint64_t syscalls = 0;      // of the reactors
  std::uint64_t wakeups = 0;       // sent between workers, and parks
  std::uint64_t instructions = 0;  // of all threads; 0 where the system does not tell
};

/// Keeps the compiler from dropping the computation of `value`.
template <class T>
inline void keep(const T& value) noexcept {
  asm volatile("" : : "r,m"(value) : "memory");
}

/// Calls that the naive fib(n) makes, itself included.
constexpr std::uint64_t fib_calls(unsigned n) noexcept {
  std::uint64_t before = 1;
  std::uint64_t calls = 1;
  for (unsigned i = 1; i < n; ++i) {
    const std::uint64_t next = before + calls + 1;
    before = calls;
    calls = next;
  }
  return calls;
}
/// The n whose fib(n) makes that many calls.
constexpr unsigned fib_with(std::uint64_t calls) noexcept {
  unsigned n = 1;
  while (fib_calls(n) < calls)
    ++n;
  return n;
}

inline std::uint64_t now_ns() noexcept {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                        std::chrono::steady_clock::now().time_since_epoch())
                                        .count());
}

/// The stopwatch of one run. A row starts and stops it round its operations, so that setting up and
/// tearing down is not measured; or it reports figures of its own. Threads: one at a time.
class meter {
 public:
  /// `sample` tells the counts; null: only time is told.
  explicit meter(void (*sample)(counts&, bool first)) noexcept : sample_(sample) {}

  void start() {
    if (sample_ != nullptr) sample_(before_, true);
    began_ = now_ns();
  }
  void stop() {
    elapsed_ = now_ns() - began_;
    if (sample_ == nullptr) return;
    sample_(after_, false);
    counted_ = true;
  }

  /// Instead of start and stop: the row measured each operation itself.
  void set_elapsed(std::uint64_t ns) noexcept { elapsed_ = ns; }
  /// A figure of the row's own, in place of the time.
  void set(std::string name, double value) { figures_.emplace_back(std::move(name), value); }
  /// There is no such thing with that many workers.
  void skip() noexcept { skipped_ = true; }

  std::string answer() const {
    if (skipped_) return "skip";
    std::ostringstream out;
    out.precision(12);
    if (figures_.empty()) out << "ns " << elapsed_;
    const char* separator = "";
    for (const auto& [name, value] : figures_) {
      out << std::exchange(separator, " ") << name << ' ' << value;
    }
    if (counted_) {
      tell(out, " allocs ", before_.allocs, after_.allocs);
      tell(out, " syscalls ", before_.syscalls, after_.syscalls);
      tell(out, " wakeups ", before_.wakeups, after_.wakeups);
      if (after_.instructions != 0) {
        tell(out, " instructions ", before_.instructions, after_.instructions);
      }
    }
    return out.str();
  }

 private:
  /// A count that went back is that of an executor that has ended: it is not told.
  static void tell(std::ostream& out, const char* name, std::uint64_t from, std::uint64_t to) {
    if (to >= from) out << name << to - from;
  }

  void (*sample_)(counts&, bool first);
  std::uint64_t began_ = 0;
  std::uint64_t elapsed_ = 0;
  counts before_{};
  counts after_{};
  bool counted_ = false;
  bool skipped_ = false;
  std::vector<std::pair<std::string, double>> figures_;
};

/// One row that a program serves.
struct served_row {
  std::string_view name;
  void (*run)(meter& m, int workers, std::uint64_t n);
};

/// Serves until stdin ends. Returns: the exit status.
inline int serve(std::span<const served_row> rows, void (*sample)(counts&, bool first) = nullptr) {
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream in(line);
    std::string verb;
    std::string name;
    int workers = 0;
    std::uint64_t n = 0;
    in >> verb >> name >> workers >> n;
    if (verb == "rows") {
      for (const served_row& r : rows)
        std::cout << r.name << ' ';
      std::cout << std::endl;
      continue;
    }
    std::string answer = "error no such row";
    for (const served_row& r : rows) {
      if (verb != "run" || r.name != name) continue;
      try {
        meter m(sample);
        r.run(m, workers, n);
        answer = m.answer();
      } catch (const std::exception& e) {
        answer = std::string("error ") + e.what();
      }
    }
    std::cout << answer << std::endl;
  }
  return 0;
}

}  // namespace perf
