// SPDX-License-Identifier: MIT
// The version, symbol visibility and what the compiler was told: the few macros of sluice.
// Others are SLUICE_ASSERT and SLUICE_DASSERT (detail/base/assert.hpp).
#pragma once

/// The version, as numbers for #if and as text. SLUICE_VERSION is major * 10000 + minor * 100 +
/// patch.
#define SLUICE_VERSION_MAJOR 0
#define SLUICE_VERSION_MINOR 1
#define SLUICE_VERSION_PATCH 0
#define SLUICE_VERSION 100
#define SLUICE_VERSION_STRING "0.1.0"

/// Marks what users of a shared library link to or catch. The library is built with hidden
/// visibility; SLUICE_SHARED is set by the build of a shared one, for it and for its users. A
/// static one exports nothing from what it is linked into.
#if defined(SLUICE_SHARED)
#  define SLUICE_EXPORT __attribute__((visibility("default")))
#else
#  define SLUICE_EXPORT
#endif

/// Set when the unit is compiled under ThreadSanitizer or AddressSanitizer (g++ and clang).
#if defined(__SANITIZE_THREAD__)
#  define SLUICE_TSAN 1
#elif defined(__has_feature)
#  if __has_feature(thread_sanitizer)
#    define SLUICE_TSAN 1
#  endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#  define SLUICE_ASAN 1
#elif defined(__has_feature)
#  if __has_feature(address_sanitizer)
#    define SLUICE_ASAN 1
#  endif
#endif

#if !defined(__linux__)
#  error "sluice runs on Linux"
#endif
#if __cplusplus < 202002L
#  error "sluice needs C++20: compile with -std=c++20 or later"
#endif
