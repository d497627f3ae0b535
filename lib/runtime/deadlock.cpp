// SPDX-License-Identifier: MIT
#include "runtime/deadlock.hpp"

#include <sluice/dump.hpp>

#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <unistd.h>

namespace sluice::detail {

namespace {

[[noreturn]] void die() noexcept {
  constexpr std::string_view words = "fatal error: all routines are asleep - deadlock!\n\n";
  static_cast<void>(!::write(STDERR_FILENO, words.data(), words.size()));
  try {
    dump(STDERR_FILENO);
  } catch (...) {
    // The words have been written: nothing more can be told.
  }
  constexpr int as_go = 2;
  ::_exit(as_go);
}

}  // namespace

void report_deadlock(deadlock found, log_function log) {
  if (found == deadlock::certain) die();
  std::vector<straggler> asleep;
  for (routine_info& r : routines()) {
    if (r.state == routine_state::done) continue;
    asleep.push_back({r.id, std::move(r.name), r.spawned, r.reason});
  }
  log_line(log, fmt::format("sluice: warning: all {} routines are asleep, and nothing is pending: "
                            "they wait for other threads, or for ever",
                            asleep.size()));
  log_routines(log, asleep);
}

}  // namespace sluice::detail
