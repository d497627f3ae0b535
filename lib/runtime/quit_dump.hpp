// SPDX-License-Identifier: MIT
// SIGQUIT: all routines in words, as a Go program has it.
#pragma once

#include <sluice/detail/base/immovable.hpp>

namespace sluice::detail {

/// While one lives, SIGQUIT writes dump() to descriptor 2, and then ends the process with code 2 if one that lives says so.
/// The dump is made on the signal thread: all workers may be stuck. Nothing if the program has a disposition of its own for the
/// signal. The destructor waits for a dump that is being written.
class quit_dump : immovable {
 public:
  /// Throws std::system_error if the thread cannot be started.
  explicit quit_dump(bool exits);
  ~quit_dump();

 private:
  const bool exits_;
};

}  // namespace sluice::detail
