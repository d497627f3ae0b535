// SPDX-License-Identifier: MIT
// How sluice ends what must not go on: broken invariants (fatal) and broken contracts (panic).
//
// Texts are constants with the subject first: "chan: send on closed channel". What Go panics on is
// thrown as panic_error and can be caught; what Go calls fatal, and a broken invariant of ours,
// prints its text and the dump and aborts.
#pragma once

#include <sluice/config.hpp>

namespace sluice::detail {

/// Writes "sluice: fatal: <text>\n" to descriptor 2 in one write, calls the hook, aborts.
/// A second call writes too: from the hook it aborts at once, from another thread it waits for the
/// first one to.
/// Allocates nothing; may be called from a signal handler if the hook may.
[[noreturn]] SLUICE_EXPORT void fatal(const char* text) noexcept;

/// Called by fatal() after its text was written: the runtime prints the dump of its routines.
using fatal_hook = void (*)() noexcept;

/// Replaces the hook; null for none. Returns the one before.
SLUICE_EXPORT fatal_hook set_fatal_hook(fatal_hook hook) noexcept;

/// Throws panic_error(text). `text` must be a constant: it is kept, not copied.
[[noreturn]] SLUICE_EXPORT void throw_panic(const char* text);

}  // namespace sluice::detail

/// Checks an invariant in every build; a failure is fatal with `text`, a literal that says what
/// broke, subject first.
#define SLUICE_ASSERT(condition, text) \
  (__builtin_expect(static_cast<bool>(condition), 1) ? (void)0 : ::sluice::detail::fatal("" text))

/// The same in debug builds only; with NDEBUG the condition is compiled but never evaluated.
#if defined(NDEBUG)
#  define SLUICE_DASSERT(condition, text) \
    ((void)sizeof(static_cast<bool>(condition)), (void)sizeof("" text))
#else
#  define SLUICE_DASSERT(condition, text) SLUICE_ASSERT(condition, text)
#endif
