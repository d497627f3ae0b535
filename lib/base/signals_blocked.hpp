// SPDX-License-Identifier: MIT
// Blocks signals while a thread is started: what it starts with is its starter's mask, so that there is no
// moment at which a new thread could take one. Signals go to the program's other threads.
#pragma once

#include <sluice/detail/base/immovable.hpp>

#include <initializer_list>

#include <pthread.h>
#include <signal.h>

namespace sluice::detail {

/// All signals but those that a thread's own faults raise.
inline sigset_t all_but_faults() noexcept {
  sigset_t all;
  ::sigfillset(&all);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS}) {
    ::sigdelset(&all, fault);
  }
  return all;
}

class signals_blocked : immovable {
 public:
  signals_blocked() noexcept {
    const sigset_t all = all_but_faults();
    ::pthread_sigmask(SIG_BLOCK, &all, &before_);
  }
  ~signals_blocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

}  // namespace sluice::detail
