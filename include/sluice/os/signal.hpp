// SPDX-License-Identifier: MIT
// signal_context: a context that a signal cancels, as Go's signal.NotifyContext.
//
//   auto done = co_await with_context(signal_context(SIGINT, SIGTERM), serve(port));
//   if (!done && done.error().code().category() == signal_category()) ...  // "interrupted by SIGINT"
#pragma once

#include <sluice/config.hpp>
#include <sluice/context.hpp>
#include <sluice/detail/sched/context_node.hpp>

#include <concepts>
#include <csignal>
#include <cstddef>
#include <system_error>

namespace sluice {

/// The category of the causes that are signals: value() is the signal's number, message() "interrupted by SIGINT".
SLUICE_EXPORT const std::error_category& signal_category() noexcept;

namespace detail {
SLUICE_EXPORT context_ref make_signal_context(const int* signals, std::size_t n);
}

/// A child of the ambient context that the first of these signals cancels. Its cause says which.
///
/// A signal is caught while a context that waits for it is not cancelled. It cancels all of those, in whatever routines and
/// executors they are; with the last one, however it was cancelled, the signal has its former disposition again: a second
/// Ctrl-C ends the program. Caught is also a signal that was ignored; one that the program's threads block, too.
///
/// Errors: panics if one of them cannot be caught (SIGKILL, SIGSTOP) or is a fault of the running code (SIGSEGV, SIGBUS, SIGFPE,
///   SIGILL, SIGTRAP, SIGSYS); throws std::system_error if the thread cannot be started, std::bad_alloc.
/// Threads: any, and outside of routines; its parent is the background there. The first in a process starts a thread,
///   "sluice-signals", which sleeps until a signal comes, and ends with the last.
/// Lifetime: a child that fork makes forgets it: the signals have their former dispositions there.
/// Cost: a node of the tree and two system calls for each signal; a thread, some 50 us, if it is the only one.
template <std::same_as<int>... Signals>
  requires(sizeof...(Signals) > 0)
owned_context signal_context(Signals... signals) {
  const int all[] = {signals...};
  return owned_context(detail::make_signal_context(all, sizeof...(Signals)));
}

}  // namespace sluice
