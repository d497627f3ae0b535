// SPDX-License-Identifier: MIT
// membarrier(2), PRIVATE_EXPEDITED: every thread of the process that runs now passes a full barrier
// before the call returns.
#include "base/asymmetric.hpp"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace sluice::detail {

bool asymmetric_registered = false;

void asymmetric_init() noexcept {
  [[maybe_unused]] static const bool once = [] {
    asymmetric_registered =
        ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
    return true;
  }();
}

void heavy_barrier() noexcept {
  // Cannot fail once registered; a forked child inherits the registration.
  if (asymmetric_available()) ::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

}  // namespace sluice::detail
