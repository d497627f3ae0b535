// SPDX-License-Identifier: MIT
#include "runtime/quit_dump.hpp"

#include <sluice/detail/base/atomic.hpp>
#include <sluice/dump.hpp>

#include "os/signal_dispatcher.hpp"

#include <mutex>
#include <string_view>

#include <signal.h>
#include <unistd.h>

namespace sluice::detail {

namespace {

constexpr int exit_code = 2;  // Go's

std::mutex mu;
int living = 0;          // guarded by mu, as all below
bool answers = false;    // SIGQUIT is ours
atomic<int> exiting{0};  // written under mu

void answer() noexcept {
  constexpr std::string_view head = "sluice: SIGQUIT: all routines:\n";
  static_cast<void>(!::write(STDERR_FILENO, head.data(), head.size()));
  try {
    dump(STDERR_FILENO);
  } catch (...) {
    // No memory for it: the program goes on all the same.
  }
  // relaxed: a number
  if (exiting.load(std::memory_order_relaxed) != 0) ::_exit(exit_code);
}

}  // namespace

quit_dump::quit_dump(bool exits) : exits_(exits) {
  const std::lock_guard lock(mu);
  if (living == 0) answers = signal_dispatcher::instance().add_call(SIGQUIT, answer);
  ++living;
  if (exits_) exiting.fetch_add(1, std::memory_order_relaxed);  // relaxed: a number
}

quit_dump::~quit_dump() {
  const std::lock_guard lock(mu);
  if (exits_) exiting.fetch_sub(1, std::memory_order_relaxed);  // relaxed: a number
  if (--living == 0 && answers) signal_dispatcher::instance().remove_call();
}

}  // namespace sluice::detail
