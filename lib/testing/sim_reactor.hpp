// SPDX-License-Identifier: MIT
// The reactor of a simulated worker: keeps operations until the simulation says that one shall
// happen, and then makes its system call without blocking.
#pragma once

#include <sluice/detail/io/op_base.hpp>

#include "base/random.hpp"
#include "sched/reactor.hpp"

#include <cstddef>
#include <vector>

namespace sluice::detail {

class sim_reactor final : public reactor {
 public:
  void start(operation& op) noexcept override { pending_.push_back(&static_cast<io_op&>(op)); }
  void cancel(operation& op) noexcept override;
  void poll(time_point) noexcept override {}
  bool ready() const noexcept override { return false; }
  void wake() noexcept override {}
  std::size_t inflight() const noexcept override { return pending_.size(); }
  unsigned long syscalls() const noexcept override { return calls_; }

  /// Completes one operation that can be, chosen at random. Returns: false if none can be now.
  /// As the worker it belongs to.
  bool complete_one(random& rng) noexcept;

 private:
  std::vector<io_op*> pending_;
  unsigned long calls_ = 0;
};

}  // namespace sluice::detail
