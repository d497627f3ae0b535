// SPDX-License-Identifier: MIT
// Blocking a thread on a word: futex(2), private to the process.
#pragma once

#include <sluice/detail/base/atomic.hpp>

#include <cstdint>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace sluice::detail {

/// Blocks while `word` is `expected`, for at most `most` ns (negative: for ever); may return early.
inline void futex_wait(const atomic<std::uint32_t>& word, std::uint32_t expected,
                       std::int64_t most = -1) noexcept {
  constexpr std::int64_t second = 1'000'000'000;
#if defined(SLUICE_TSAN)
  // The detector holds a signal's handler back until the thread's next atomic operation. Only a wait with a limit
  // returns when a signal has come; one without is restarted.
  if (most < 0) most = 3600 * second;
#endif
  timespec limit{};
  limit.tv_sec = most / second;
  limit.tv_nsec = most % second;
  ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, most < 0 ? nullptr : &limit, nullptr,
            0);
}

/// Wakes all that block on `word`. The memory may be something else by then: a spurious wake at worst.
inline void futex_wake_all(const atomic<std::uint32_t>& word) noexcept {
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr, 0);
}

}  // namespace sluice::detail
