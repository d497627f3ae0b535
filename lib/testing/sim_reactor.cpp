// SPDX-License-Identifier: MIT
#include "testing/sim_reactor.hpp"

#include "io/sync_op.hpp"

#include <algorithm>
#include <cerrno>

#include <sys/stat.h>

namespace sluice::detail {

namespace {

/// Whether a descriptor has no readiness to wait for: what it lacks is on a disk.
bool is_stored(int fd) noexcept {
  struct stat inode;
  return ::fstat(fd, &inode) == 0 && (S_ISREG(inode.st_mode) || S_ISBLK(inode.st_mode));
}

/// Tries one; a call that may block for other reasons than want of data is made: files do not block
/// for long, and a stream was found ready by this one thread.
attempted attempt_op(io_op& op) noexcept {
  attempted a = try_execute(op);
  switch (a.what) {
    case attempt::done:
      return a;
    case attempt::not_ready:
      ++a.calls;
      if (!is_stored(op.fd)) return a;
      [[fallthrough]];  // the page cache does not have it
    case attempt::file:
      a.result = execute(op);
      break;
    case attempt::stream:
      a.result = execute_ready(op);
      break;
  }
  ++a.calls;
  a.what = a.result == -EAGAIN ? attempt::not_ready : attempt::done;
  return a;
}

}  // namespace

void sim_reactor::cancel(operation& op) noexcept {
  const auto at = std::find(pending_.begin(), pending_.end(), &static_cast<io_op&>(op));
  if (at == pending_.end()) return;
  pending_.erase(at);
  complete(op, -ECANCELED);
}

bool sim_reactor::complete_one(random& rng) noexcept {
  if (pending_.empty()) return false;
  const auto n = static_cast<std::uint32_t>(pending_.size());
  const std::uint32_t first = rng.below(n);
  for (std::uint32_t i = 0; i < n; ++i) {
    const auto at = pending_.begin() + (first + i) % n;
    io_op& op = **at;
    const attempted a = attempt_op(op);
    calls_ += a.calls;
    if (a.what != attempt::done) continue;
    pending_.erase(at);
    complete(op, a.result);
    return true;
  }
  return false;
}

}  // namespace sluice::detail
