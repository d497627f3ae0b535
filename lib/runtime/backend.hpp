// SPDX-License-Identifier: MIT
// Which reactor an executor's workers get, and why.
#pragma once

#include <sluice/runtime.hpp>

#include "sched/executor_core.hpp"

#include <functional>
#include <memory>
#include <string>

namespace sluice::detail {

struct backend_choice {
  backend chosen;
  std::string reason;
  bool fell_back;  // io_uring would have been preferred
  std::function<std::unique_ptr<reactor>(executor_core&)> make;
};

/// Decides by SLUICE_BACKEND, else by the options, else by making a ring.
/// Throws std::system_error if what is asked for strictly is not to be had, or if a ring fails for
/// want of memory or descriptors; std::invalid_argument for an unknown name in the environment.
backend_choice choose_backend(const executor_options& options);

}  // namespace sluice::detail
