// SPDX-License-Identifier: MIT
// The words of errors, their comparisons, and the exceptions.
#include <sluice/error.hpp>

#include <cerrno>
#include <ostream>  // doctest prints error codes
#include <string>
#include <type_traits>
#include <utility>

#include <doctest/doctest.h>

namespace {

using namespace sluice;
using detail::make_errno_error;

static_assert(std::is_nothrow_move_constructible_v<error>);
static_assert(std::is_nothrow_move_assignable_v<error>);
static_assert(std::is_copy_constructible_v<error>);
static_assert(std::is_nothrow_copy_constructible_v<panic_error>);
static_assert(std::is_nothrow_copy_constructible_v<stopped_error>);
static_assert(std::is_nothrow_copy_constructible_v<result_error>);

}  // namespace

TEST_SUITE("base/error") {
  TEST_CASE("error: the message names operation, object and cause") {
    CHECK(make_errno_error(EACCES, "open", "/etc/shadow").message() ==
          "open /etc/shadow: Permission denied");
    CHECK(make_errno_error(EPIPE, "write", 7).message() == "write fd 7: Broken pipe");
    CHECK(error(errc::closed, "recv").message() == "recv: closed");
    CHECK(error(errc::canceled).message() == "canceled");
  }

  TEST_CASE("error: the message says how many bytes were moved before") {
    CHECK(make_errno_error(EPIPE, "write", 7, 512).message() ==
          "write fd 7: Broken pipe (after 512 bytes)");
    CHECK(error(errc::end_of_stream, "read", "10.0.0.1:80", 1).message() ==
          "read 10.0.0.1:80: end of stream (after 1 byte)");
  }

  TEST_CASE("error: each errc has its words and conditions") {
    CHECK(make_error_code(errc::closed).message() == "closed");
    CHECK(make_error_code(errc::canceled).message() == "canceled");
    CHECK(make_error_code(errc::deadline_exceeded).message() == "deadline exceeded");
    CHECK(make_error_code(errc::end_of_stream).message() == "end of stream");
    CHECK(std::error_code(99, sluice_category()).message() == "unknown sluice error 99");
    CHECK(std::string(sluice_category().name()) == "sluice");
    CHECK(make_error_code(errc::canceled) == std::errc::operation_canceled);
    CHECK(make_error_code(errc::deadline_exceeded) == std::errc::timed_out);
    CHECK(make_error_code(errc::closed) != std::errc::operation_canceled);
  }

  TEST_CASE("error: compares with errc and std::errc") {
    const error denied = make_errno_error(EACCES, "open", "/x");
    CHECK(denied == std::errc::permission_denied);
    CHECK(denied != std::errc::timed_out);
    CHECK(denied != errc::closed);
    const error late(errc::deadline_exceeded, "read");
    CHECK(late == errc::deadline_exceeded);
    CHECK(late == std::errc::timed_out);
    CHECK(late != errc::closed);
  }

  TEST_CASE("error: parts can be asked for") {
    const error e = make_errno_error(ENOSPC, "write", "/tmp/x", 17);
    CHECK(e.code() == std::error_code(ENOSPC, std::system_category()));
    CHECK(std::string(e.operation()) == "write");
    CHECK(e.object() == "/tmp/x");
    CHECK(e.transferred() == 17);
    CHECK(make_errno_error(EBADF, "read", -1).object() == "fd -1");
    CHECK(make_errno_error(EBADF, "read", 0).object() == "fd 0");
    CHECK(make_errno_error(EBADF, "read", 2147483647).object() == "fd 2147483647");
    CHECK(error(errc::closed).object().empty());
  }

  TEST_CASE("error: owns its object through copies, moves and assignments") {
    std::string path = "/a/rather/long/path/that/fits/no/small/buffer";
    const error first = make_errno_error(ENOENT, "open", path);
    const std::string words = first.message();
    path.assign(path.size(), 'x');
    CHECK(first.message() == words);
    error copy = first;
    CHECK(copy.message() == words);
    error moved = std::move(copy);
    CHECK(moved.message() == words);
    error other(errc::closed, "close", "/b");
    other = first;
    CHECK(other.message() == words);
    other = std::move(moved);
    CHECK(other.message() == words);
    const error& self = other;
    other = self;
    CHECK(other.message() == words);
    other = error(errc::closed);
    CHECK(other.message() == "closed");
  }

  TEST_CASE("error: exceptions say what they are") {
    CHECK(std::string(panic_error("chan: send on closed channel").what()) ==
          "chan: send on closed channel");
    CHECK(std::string(stopped_error().what()) == "stopped");
    CHECK(stopped_error().cause() == errc::canceled);
    CHECK(stopped_error(errc::deadline_exceeded).cause() == errc::deadline_exceeded);
    const result_error e(make_errno_error(EACCES, "open", "/etc/shadow"));
    CHECK(std::string(e.what()) == "open /etc/shadow: Permission denied");
    CHECK(e.code() == std::errc::permission_denied);
  }
}
