// SPDX-License-Identifier: MIT
// Fault injection into a ring: what is cut, failed, refused, held back and shuffled.
#include "io/ring_faults.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <utility>

#include <sys/uio.h>

namespace sluice::detail {

fault_injector::fault_injector(const ring_faults& faults)
    : faults_(faults), rng_(faults.seed), native_(faults.native_errors) {
  if (faults_.max_delay == 0) faults_.max_delay = 1;
}

namespace {

bool is_transfer(const io_uring_sqe& sqe) noexcept {
  return sqe.opcode == IORING_OP_READ || sqe.opcode == IORING_OP_WRITE ||
         sqe.opcode == IORING_OP_READV || sqe.opcode == IORING_OP_WRITEV;
}

}  // namespace

void fault_injector::prepare(io_uring_sqe& sqe) {
  const bool may_fail =
      !faults_.error_codes.empty() && (faults_.errors_everywhere || is_transfer(sqe));
  if (may_fail && chance(faults_.errors)) {
    fail(sqe);
  } else if (chance(faults_.short_transfers)) {
    shorten(sqe);
  }
}

// For vectors `len` counts entries: the transfer ends between two of them, behind one that is not
// empty, since a read of nothing would mean the end of the file.
void fault_injector::shorten(io_uring_sqe& sqe) {
  const std::uint32_t whole = sqe.len;
  if (!is_transfer(sqe) || whole < 2) return;
  std::uint32_t cut = 1 + rng_.below(whole);
  if (sqe.opcode == IORING_OP_READV || sqe.opcode == IORING_OP_WRITEV) {
    const auto* parts = reinterpret_cast<const iovec*>(static_cast<std::uintptr_t>(sqe.addr));
    const auto* const full =
        std::find_if(parts, parts + whole, [](const iovec& part) { return part.iov_len != 0; });
    cut = std::max(cut, std::min(whole, static_cast<std::uint32_t>(full - parts) + 1));
  }
  sqe.len = cut;
  if (cut < whole) ++counts_.short_transfers;
}

void fault_injector::fail(io_uring_sqe& sqe) {
  const std::uint32_t pick = rng_.below(static_cast<std::uint32_t>(faults_.error_codes.size()));
  const int result = -faults_.error_codes[pick];
  const std::uint64_t user_data = sqe.user_data;
  io_uring_prep_nop(&sqe);
  sqe.user_data = user_data;
  if (native_) {
    sqe.rw_flags = static_cast<int>(uring::nop_inject_result);
    sqe.len = static_cast<std::uint32_t>(result);
  } else {
    failing_.push_back({user_data, result, 0});
  }
  ++counts_.errors;
}

int fault_injector::enter(unsigned& to_submit) {
  const unsigned n = enters_++;
  if (n < faults_.first_enter || n >= faults_.last_enter) return 0;
  if (chance(faults_.interrupts)) {
    ++counts_.interrupts;
    return EINTR;
  }
  if (to_submit != 0 && chance(faults_.refusals)) {
    ++counts_.refusals;
    return rng_.below(2) != 0 ? EAGAIN : EBUSY;
  }
  if (to_submit > 1 && chance(faults_.prefixes)) {
    ++counts_.prefixes;
    to_submit = 1 + rng_.below(to_submit - 1);
  }
  return 0;
}

void fault_injector::begin_reap() {
  for (waiting& w : held_) {
    if (w.delay != 0) --w.delay;
  }
}

void fault_injector::arrive(const reaped& c) {
  waiting w{c, 0};
  const auto replaced = std::find_if(failing_.begin(), failing_.end(),
                                     [&](const reaped& f) { return f.user_data == c.user_data; });
  if (replaced != failing_.end()) {
    w.c.res = replaced->res;
    failing_.erase(replaced);
  }
  if (chance(faults_.delays)) {
    ++counts_.delays;
    w.delay = 1 + rng_.below(faults_.max_delay);
  }
  held_.push_back(w);
  if (faults_.reorder && held_.size() > 1) {
    const auto other = rng_.below(static_cast<std::uint32_t>(held_.size()));
    if (other + 1 != held_.size()) ++counts_.reordered;
    std::swap(held_[other], held_.back());
  }
}

bool fault_injector::take(reaped& c) {
  const auto due =
      std::find_if(held_.begin(), held_.end(), [](const waiting& w) { return w.delay == 0; });
  if (due == held_.end()) return false;
  c = due->c;
  held_.erase(due);
  return true;
}

}  // namespace sluice::detail
