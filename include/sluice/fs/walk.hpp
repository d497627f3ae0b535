// SPDX-License-Identifier: MIT
// fs::walk: all that lies below a directory, one entry after another.
#pragma once

#include <sluice/config.hpp>
#include <sluice/detail/fs/walk_op.hpp>
#include <sluice/fs/path.hpp>
#include <sluice/result.hpp>

#include <memory>
#include <optional>
#include <string_view>

namespace sluice::fs {

/// Walks a directory tree. Symbolic links are entries and are not followed, but for the root itself.
///
///   fs::walk tree("/usr/include");
///   while (auto e = co_await tree.next()) {
///     if (!*e) { report(e->error()); continue; }
///     use((*e)->path, (*e)->kind);
///   }
///
/// Each entry comes once, the root not at all; a directory comes before what it holds. There is no
/// order beyond that. Names are bytes: newlines and what is not UTF-8 are handed on as they are.
/// What is made or removed meanwhile may come or not.
/// Memory: names of directories still to be read, and one batch of up to 1024 entries.
/// Threads: one routine at a time.
class SLUICE_EXPORT walk {
 public:
  /// Begins at `root`, which is copied. Nothing is read yet. Throws std::bad_alloc.
  explicit walk(path_view root);
  walk(walk&&) noexcept;
  walk& operator=(walk&&) noexcept;
  ~walk();

  /// The next entry: `std::optional<result<entry>>`, empty at the end.
  /// Errors: "open <directory>" or "getdents <directory>" with the cause, for a directory that cannot
  /// be read; the walk goes on with the others.
  /// Suspends: once in a batch, while a thread of the blocking pool reads the next one; the batches
  /// grow from 32 entries to 1024. Cancellation: ends stopped.
  /// Lifetime: the entry's path is good until the next call, and while the walk lives.
  detail::walk_call next() noexcept { return detail::walk_call(state_.get()); }

 private:
  std::unique_ptr<detail::walk_state, void (*)(detail::walk_state*)> state_;
};

}  // namespace sluice::fs
