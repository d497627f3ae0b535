// SPDX-License-Identifier: MIT
// The lines that the library has to say: to executor_options::log, or to stderr.
#pragma once

#include <sluice/runtime.hpp>

#include <string_view>
#include <vector>

namespace sluice::detail {

using log_function = void (*)(std::string_view line);

/// `to`: null: stderr.
void log_line(log_function to, std::string_view line);

/// A line for each of the first 20: who, started where, what it waits for.
void log_routines(log_function to, const std::vector<straggler>& all);

}  // namespace sluice::detail
