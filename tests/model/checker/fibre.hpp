// SPDX-License-Identifier: MIT
// Stacks to run simulated threads on. ucontext makes them; jumps between them save no signal mask.
#pragma once

#include <csetjmp>
#include <cstddef>

#include <ucontext.h>

namespace model::engine {

/// One stack. Bodies are run one after another by the same loop; one that is given up in its middle
/// makes the stack start anew.
class fibre {
 public:
  /// `loop(argument)` runs on the stack when it is first entered, and must never return.
  fibre(void (*loop)(void*), void* argument);
  fibre(const fibre&) = delete;
  fibre& operator=(const fibre&) = delete;
  ~fibre();

  /// Saves where the caller is in `from`, goes on in this fibre where it left off.
  void enter(std::jmp_buf& from);
  /// From within this fibre: saves it, goes on at `to`.
  void leave(std::jmp_buf& to);
  /// From within this fibre, to another.
  void pass(fibre& to);
  /// Forgets what the stack holds. Not from within.
  void restart() noexcept { begun_ = false; }

 private:
  static constexpr std::size_t stack_bytes = 256 << 10;
  static void entry(unsigned low, unsigned high);
  void go();

  void (*loop_)(void*);
  void* argument_;
  void* stack_;
  bool begun_ = false;
  std::jmp_buf at_;
  ucontext_t start_;
};

}  // namespace model::engine
