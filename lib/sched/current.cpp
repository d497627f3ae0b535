// SPDX-License-Identifier: MIT
// The only thread-local of the scheduler. Read through one function that is never inlined: a routine
// may resume on another thread, where an address cached before the suspension is wrong.
#include "sched/worker.hpp"

namespace sluice::detail {

namespace {
constinit thread_local worker* current = nullptr;
}  // namespace

[[gnu::noinline]] worker* current_worker() noexcept {
  return current;
}
[[gnu::noinline]] void set_current_worker(worker* w) noexcept {
  current = w;
}

}  // namespace sluice::detail
