// SPDX-License-Identifier: MIT
// The await of the next entry of a walk: served from a batch, or waiting for the next batch.
#pragma once

#include <sluice/config.hpp>
#include <sluice/detail/sched/blocking_wait.hpp>
#include <sluice/detail/sched/op_call.hpp>
#include <sluice/fs/path.hpp>
#include <sluice/result.hpp>

#include <coroutine>
#include <optional>
#include <string_view>

namespace sluice::fs {

/// One thing found by a walk.
struct entry {
  std::string_view path;  // the root as it was given, '/', and the names below it
  file_kind kind;         // of the entry itself: a symbolic link is one

  /// The last component of the path.
  std::string_view name() const noexcept { return path.substr(path.rfind('/') + 1); }
};

}  // namespace sluice::fs

namespace sluice::detail {

class walk_state;

class SLUICE_EXPORT walk_op final : public blocking_wait {
 public:
  walk_op(await_site site, walk_state* walk) noexcept;
  ~walk_op() = default;

  bool await_suspend(std::coroutine_handle<> frame) noexcept;
  std::optional<sluice::result<fs::entry>> await_resume();

 private:
  static void read_batch(blocking_wait& self) noexcept;

  walk_state* walk_;
};

using walk_call = op_call<walk_op, walk_state*>;

}  // namespace sluice::detail
