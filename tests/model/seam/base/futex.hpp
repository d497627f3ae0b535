// SPDX-License-Identifier: MIT
// Takes the place of lib/base/futex.hpp in model builds: the same contract, on simulated threads.
#pragma once

#include <sluice/detail/base/atomic.hpp>

#include <cstdint>

namespace sluice::detail {

/// Waits that may end by themselves (most >= 0) do so at once.
void futex_wait(const atomic<std::uint32_t>& word, std::uint32_t expected,
                std::int64_t most = -1) noexcept;
void futex_wake_all(const atomic<std::uint32_t>& word) noexcept;

}  // namespace sluice::detail
