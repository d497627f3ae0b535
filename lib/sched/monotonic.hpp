// SPDX-License-Identifier: MIT
// The system's own clock, for what has no executor to ask or must not see virtual time.
#pragma once

#include <sluice/clock.hpp>

namespace sluice::detail {

/// CLOCK_MONOTONIC. Cost: about 25 ns.
time_point monotonic_now() noexcept;

}  // namespace sluice::detail
