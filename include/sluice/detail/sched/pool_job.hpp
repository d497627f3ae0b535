// SPDX-License-Identifier: MIT
// One call to make on a thread of the blocking pool. Lives in the frame that waits for it.
#pragma once

namespace sluice::detail {

struct pool_job {
  void (*run)(pool_job&) noexcept = nullptr;  // once; the job may be gone when it returns
  pool_job* next = nullptr;                   // all below: guarded by what it is queued in
  pool_job* prev = nullptr;
  bool queued = false;  // nobody has begun it: it can still be taken back
};

}  // namespace sluice::detail
