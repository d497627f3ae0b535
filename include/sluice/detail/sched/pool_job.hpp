// SPDX-License-Identifier: MIT
// One call to make on a thread of the blocking pool. Lives in the frame that waits for it.
#pragma once

namespace sluice::detail {

struct pool_job {
  void (*run)(pool_job&) noexcept = nullptr;  // once; the job may be gone when it returns
  pool_job* next = nullptr;                   // guarded by the pool
  pool_job* prev = nullptr;                   // guarded by the pool
  bool queued = false;                        // guarded by the pool: withdraw() can still have it
};

}  // namespace sluice::detail
