// SPDX-License-Identifier: MIT
// What a routine can wait for. A closed list: reasons are added, never reused.
#pragma once

#include <sluice/config.hpp>

#include <string_view>

namespace sluice {

enum class wait_reason : unsigned char {
  none,
  chan_send,
  chan_recv,
  chan_nil,  // send or receive on a default-constructed channel: for ever
  join,
  sleep,
  yield,
  blocking,
  open,
  read,
  write,
  sync,
  stat,
  poll,
  close,
  settle,        // testing::settle()
  when_all,      // for children that are routines of their own
  context_done,  // context::done()
  group,         // for the routines of an errgroup
  wait_group,    // wait_group::wait()
};

/// Returns: the reason in words, as `dump()` prints it: "chan recv".
SLUICE_EXPORT std::string_view to_string(wait_reason r) noexcept;

}  // namespace sluice
