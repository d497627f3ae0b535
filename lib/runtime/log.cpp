// SPDX-License-Identifier: MIT
#include "runtime/log.hpp"

#include <algorithm>
#include <cstddef>
#include <string>

#include <fmt/format.h>

#include <unistd.h>

namespace sluice::detail {

void log_line(log_function to, std::string_view line) {
  if (to != nullptr) return to(line);
  const std::string text = fmt::format("{}\n", line);
  static_cast<void>(!::write(STDERR_FILENO, text.data(), text.size()));
}

void log_routines(log_function to, const std::vector<straggler>& all) {
  constexpr std::size_t most = 20;
  for (std::size_t i = 0; i < std::min(most, all.size()); ++i) {
    const straggler& s = all[i];
    log_line(to,
             fmt::format("sluice: warning:   routine {}{}{}, started at {}:{}: {}", s.id,
                         s.name.empty() ? "" : " ", s.name, s.spawned.file_name(), s.spawned.line(),
                         s.waiting == wait_reason::none ? "running" : to_string(s.waiting)));
  }
}

}  // namespace sluice::detail
