// SPDX-License-Identifier: MIT
// The life of an operation between its await and its reactor.
//
//   awaited -> pinned (suspend_on) -> in flight (reactor::start) -> completed (complete) -> resumed
// A stop request goes to the home worker's inbox; the claim word stands at `stopping` until it is
// served, so that the frame outlives it; a completion that comes meanwhile waits for it (`done`).
#include "sched/executor_core.hpp"
#include "sched/reactor.hpp"
#include "sched/wait.hpp"

#include <cerrno>

namespace sluice::detail {

namespace {

/// Whether the result says that a cancelled operation had no effect. -512 to -516 are the kernel's
/// own restart codes, which leak out of io-wq when an operation there is cancelled.
bool says_cancelled(int result) noexcept {
  return result == -ECANCELED || result == -EINTR || (result <= -512 && result >= -516);
}

/// The wait has been claimed for the operation: its routine goes on, or is unwound if the operation
/// ended because it was asked to.
void resume(operation& op) noexcept {
  routine& r = op.owner();
  r.unwinding = r.must_stop() && says_cancelled(op.result);
  worker& home = *op.home;
  r.fibre.hand_over();
  home.push_back(r);  // published: op may be gone
}

}  // namespace

void suspend_on(operation& op, std::coroutine_handle<> frame) noexcept {
  routine& r = op.owner();
  if (r.must_stop()) return refuse(op, frame);
  begin_wait(op, frame);
  op.home = &running_on(r);
  if (!r.claim.arm(claim_word::pinned, r)) return refuse(op, frame);
  tsan_release(&op);
  const worker_scope as_worker;
  tsan_acquire(&op);
  op.home->io->start(op);  // published: op may be gone
}

void complete(operation& op, int result) noexcept {
  op.result = result;
  if (op.owner().claim.claim_pinned()) {
    resume(op);
  } else {
    op.done = true;  // serve_stop() on this same thread comes to it
  }
}

void complete_remote(operation& op, int result) noexcept {
  op.result = result;
  worker& home = *op.home;
  home.completed.push(op);  // published: op may be gone
  home.request(attention_inbox);
}

void post_stop_request(wait_point& self) noexcept {
  auto& op = static_cast<operation&>(self);
  worker& home = *op.home;
  home.stops.push(op);  // published: op may be gone
  home.request(attention_inbox);
}

void serve_stop(operation& op) noexcept {
  claim_word& claim = op.owner().claim;
  if (!op.done) op.home->io->cancel(op);  // still pinned to us by `stopping`
  if (op.done) {
    claim.claim_stopping();
    resume(op);
  } else {
    claim.unpin();
  }
}

}  // namespace sluice::detail
