// SPDX-License-Identifier: MIT
// Base of types whose address is known to somebody else: awaiters, waiters, nodes.
// Returned as a prvalue they still work: elision makes them where they stay.
#pragma once

namespace sluice::detail {

struct immovable {
  immovable() noexcept = default;
  immovable(immovable&&) = delete;  // implies that copying and assigning are deleted
};

}  // namespace sluice::detail
