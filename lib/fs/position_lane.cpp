// SPDX-License-Identifier: MIT
// A transfer at a file's own position goes
//
//   came --> its turn                  nobody has it
//        --> waiting --> its turn      the one before it has ended, or was withdrawn
//                    --> unwound       stopped
//   its turn --> done                  a thread of the pool has made the call
//            --> unwound               stopped before a thread had begun
#include "fs/position_lane.hpp"

#include "io/sync_op.hpp"
#include "sched/executor_core.hpp"
#include "sched/wait.hpp"

#include <utility>

namespace sluice::detail {

constinit const wait_kind position_lane::read_kind{wait_reason::read, nullptr, request_stop,
                                                   nullptr};
constinit const wait_kind position_lane::write_kind{wait_reason::write, nullptr, request_stop,
                                                    nullptr};

position_lane& position_lane::of(int fd) noexcept {
  constexpr std::size_t lanes = 4096;  // 256 KiB of zeros, of which used pages alone take memory
  static constinit position_lane all[lanes];
  return all[static_cast<std::size_t>(fd) % lanes];
}

void position_lane::transfer(transfer_op& op, std::coroutine_handle<> frame) noexcept {
  routine& r = op.owner();
  blocking_pool& pool = running_on(r).ex.blocking;
  op.kind = op.kind->reason == wait_reason::read ? &read_kind : &write_kind;
  op.run = run;
  begin_wait(op, frame);
  {
    const spin_guard guard(lock_);
    if (!r.claim.arm(claim_word::pinned, r)) return refuse(op, frame);
    if (is_busy()) {
      op.waits_for_turn_ = true;
      return waiting_.push(op);  // published: op may be gone
    }
    busy_.store(true, std::memory_order_relaxed);  // relaxed: a hint to those without the lock
  }
  pool.submit(op);  // published: op may be gone
}

/// A turn has ended. Returns: whose turn it is now, null if nobody waits.
transfer_op* position_lane::pass_on() noexcept {
  const spin_guard guard(lock_);
  if (!waiting_.empty()) {
    auto& next = static_cast<transfer_op&>(waiting_.pop());
    next.waits_for_turn_ = false;
    return &next;
  }
  busy_.store(false, std::memory_order_relaxed);  // relaxed: a hint to those without the lock
  return nullptr;
}

/// Executes one transfer after another, as long as they are of the executor that the thread serves.
void position_lane::run(pool_job& job) noexcept {
  auto* op = static_cast<transfer_op*>(&job);
  executor_core* const served = op->owner().executor;
  do {
    op->io_op::result = execute(*op);
    transfer_op* const next = of(op->fd).pass_on();
    end_pinned(op->owner());  // published: op may be gone
    op = next;
  } while (op != nullptr && op->owner().executor == served);
  if (op != nullptr) op->owner().executor->blocking.submit(*op);
}

void position_lane::request_stop(wait_point& self) noexcept {
  auto& op = static_cast<transfer_op&>(self);
  routine& r = op.owner();
  position_lane& lane = of(op.fd);
  bool waited = false;
  {
    const spin_guard guard(lane.lock_);
    waited = std::exchange(op.waits_for_turn_, false);
    if (waited) lane.waiting_.remove(op);
  }
  if (waited) return end_stopping(r);                              // published: op may be gone
  if (!r.executor->blocking.withdraw(op)) return r.claim.unpin();  // likewise
  transfer_op* const next = lane.pass_on();
  end_stopping(r);  // published: op may be gone
  if (next != nullptr) next->owner().executor->blocking.submit(*next);
}

}  // namespace sluice::detail
