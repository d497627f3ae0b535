// SPDX-License-Identifier: MIT
// What becomes of a deadlock: the end of the process, or a warning.
#pragma once

#include "runtime/log.hpp"
#include "sched/deadlock_watch.hpp"

namespace sluice::detail {

/// Certain: writes Go's words and the dump to stderr, and ends the process with code 2, as Go does: no
/// destructor runs, nothing is flushed. Likely: warns.
void report_deadlock(deadlock found, log_function log);

}  // namespace sluice::detail
