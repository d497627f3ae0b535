// SPDX-License-Identifier: MIT
// The one way to <liburing.h>, and the kernel's io_uring interface beyond what liburing 2.3 and the
// headers of Linux 6.1 know of. Numbers here are kernel ABI: they cannot change.
//
// Nothing of this is probed by version: ring.cpp asks the running kernel.
#pragma once

// The kernel's own header goes first: liburing 2.3 has an older copy behind the same include guard.
// clang-format off
#include <linux/io_uring.h>
#include <liburing.h>
// clang-format on

namespace sluice::detail::uring {

// Flags of io_uring_enter(2).
inline constexpr unsigned enter_no_iowait = 1u << 7;  // 6.15; where feature_no_iowait is set

// Bits of io_uring_params.features.
inline constexpr unsigned feature_no_iowait = 1u << 17;  // 6.15

// nop_flags of IORING_OP_NOP: the completion's result is sqe->len, as a signed number.
inline constexpr unsigned nop_inject_result = 1u << 0;  // 6.10; EINVAL or ignored before

// Results that the kernel keeps to itself, but that an operation interrupted in an io-wq thread ends
// with: ERESTARTSYS (512), ERESTARTNOINTR, ERESTARTNOHAND, ENOIOCTLCMD, ERESTART_RESTARTBLOCK (516).
inline constexpr int first_restart_error = 512;
inline constexpr int last_restart_error = 516;

}  // namespace sluice::detail::uring
