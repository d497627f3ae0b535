// SPDX-License-Identifier: MIT
// Waiting for a context to be cancelled.
#pragma once

#include <sluice/config.hpp>
#include <sluice/detail/sched/context_node.hpp>
#include <sluice/detail/sched/op_call.hpp>
#include <sluice/detail/sched/wait_point.hpp>

#include <coroutine>

namespace sluice::detail {

class SLUICE_EXPORT context_done_op final : public wait_point, private list_link {
 public:
  context_done_op(await_site site, context_node* node) noexcept;
  bool await_suspend(std::coroutine_handle<> frame) noexcept;
  ~context_done_op() = default;
  void await_resume() const noexcept;

 private:
  friend class cancel_node;
  static void abandon(wait_point& self) noexcept;
  static const wait_kind done_kind;

  cancel_node* const governor_;
  context_ref waits_for_;  // that, counted while it waits: whoever has it may let it go meanwhile
};

}  // namespace sluice::detail
