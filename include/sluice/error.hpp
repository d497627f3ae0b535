// SPDX-License-Identifier: MIT
// Errors: what a failed operation reports as a value, and the two exceptions that sluice throws.
//
// Expected failure is a value: `result<T>` (result.hpp) with an `error`. Panics are the caller's
// mistakes, as in Go. A stop is neither: it unwinds (see context), and only where a coroutine of
// another kind awaits ours does it arrive as an exception.
#pragma once

#include <sluice/config.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

namespace sluice {

/// The causes that are sluice's own; the system's come as errno values in std::system_category().
/// The numbers never change.
enum class errc {
  closed = 1,         // the object was closed, here or by another routine, before or meanwhile
  canceled,           // the context was cancelled: what `as_result` reports of a stop
  deadline_exceeded,  // the operation's own deadline passed
  end_of_stream,      // the stream ended before all that was asked for
};

/// The category of errc, named "sluice". `canceled` equals std::errc::operation_canceled,
/// `deadline_exceeded` std::errc::timed_out.
SLUICE_EXPORT const std::error_category& sluice_category() noexcept;

inline std::error_code make_error_code(errc e) noexcept {
  return {static_cast<int>(e), sluice_category()};
}

}  // namespace sluice

template <>
struct std::is_error_code_enum<sluice::errc> : std::true_type {};

namespace sluice {

/// Why an operation failed, and what it was doing: cause, operation, object, bytes already moved.
/// Lifetime: owns its object's name; `operation` is a literal and is kept by address.
/// Cost: 40 bytes; a move is a few stores; a copy allocates if the object is a text.
class SLUICE_EXPORT error {
 public:
  /// `operation` names what was tried, as the system calls it: "open".
  explicit error(std::error_code cause, const char* operation = "") noexcept;

  /// `object` is what it was tried on: a path, an address. May throw std::bad_alloc.
  error(std::error_code cause, const char* operation, std::string_view object,
        std::size_t transferred = 0);

  /// The object is a descriptor, printed as "fd 7"; nothing is allocated.
  static error of_fd(std::error_code cause, const char* operation, int fd,
                     std::size_t transferred = 0) noexcept;

  error(const error& other);
  error(error&& other) noexcept;
  error& operator=(const error& other);
  error& operator=(error&& other) noexcept;
  ~error();

  /// The cause; compares with errc, std::errc and other codes.
  const std::error_code& code() const noexcept { return code_; }
  const char* operation() const noexcept { return operation_; }
  /// The path, address or "fd N"; empty if there is none.
  std::string object() const;
  /// Bytes moved before the failure.
  std::size_t transferred() const noexcept { return transferred_; }

  /// "open /etc/shadow: Permission denied"; "write fd 7: Broken pipe (after 512 bytes)".
  std::string message() const;

  friend bool operator==(const error& e, const std::error_code& code) noexcept {
    return e.code_ == code;
  }
  friend bool operator==(const error& e, const std::error_condition& condition) noexcept {
    return e.code_ == condition;
  }

 private:
  std::error_code code_;
  const char* operation_;
  std::size_t transferred_ = 0;
  std::uintptr_t object_ =
      0;  // 0: none; odd: descriptor * 2 + 1; else the address of an owned text
};

static_assert(sizeof(void*) != 8 || sizeof(error) == 40, "a result lies in many frames: small");

/// A contract was broken as Go panics about it: send on a closed channel, close of a closed one, a
/// negative wait_group. It may be caught, or arrive at the join of the routine that it left.
class SLUICE_EXPORT panic_error : public std::exception {
 public:
  /// `text` is a literal, subject first: "chan: send on closed channel". It is kept by address.
  explicit panic_error(const char* text) noexcept : text_(text) {}
  panic_error(const panic_error&) noexcept = default;
  panic_error& operator=(const panic_error&) noexcept = default;
  ~panic_error() override;

  const char* what() const noexcept override;

 private:
  const char* text_;
};

/// What was awaited ended stopped, and not because the awaiting routine is being stopped itself:
/// from the join of a stopped routine, and from any wait that a coroutine of another kind awaits.
class SLUICE_EXPORT stopped_error : public std::exception {
 public:
  explicit stopped_error(std::error_code cause = errc::canceled) noexcept : cause_(cause) {}
  stopped_error(const stopped_error&) noexcept = default;
  stopped_error& operator=(const stopped_error&) noexcept = default;
  ~stopped_error() override;

  /// "stopped".
  const char* what() const noexcept override;
  /// Why: what the context was cancelled with.
  const std::error_code& cause() const noexcept { return cause_; }

 private:
  std::error_code cause_;
};

/// Thrown by `result<T>::value()` of an error: code() is its cause, what() its message().
class SLUICE_EXPORT result_error : public std::system_error {
 public:
  explicit result_error(const error& e);
  result_error(const result_error&) noexcept = default;
  result_error& operator=(const result_error&) noexcept = default;
  ~result_error() override;

  const char* what() const noexcept override;

 private:
  std::runtime_error text_;  // a counted string, so that copies cannot throw
};

namespace detail {

/// The one place where an errno becomes an error. `number` > 0.
SLUICE_EXPORT error make_errno_error(int number, const char* operation, std::string_view object,
                                     std::size_t transferred = 0);
SLUICE_EXPORT error make_errno_error(int number, const char* operation, int fd,
                                     std::size_t transferred = 0) noexcept;

[[noreturn]] SLUICE_EXPORT void throw_result_error(const error& e);

}  // namespace detail
}  // namespace sluice
