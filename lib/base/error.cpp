// SPDX-License-Identifier: MIT
// The error category, the words of an error, and the home of the exceptions' vtables.
#include <sluice/detail/base/assert.hpp>
#include <sluice/error.hpp>

#include "base/immortal.hpp"

#include <cstring>
#include <stdexcept>

namespace sluice {

namespace {

class category final : public std::error_category {
 public:
  constexpr category() noexcept = default;
  const char* name() const noexcept override { return "sluice"; }

  std::string message(int value) const override {
    switch (static_cast<errc>(value)) {
      case errc::closed:
        return "closed";
      case errc::canceled:
        return "canceled";
      case errc::deadline_exceeded:
        return "deadline exceeded";
      case errc::end_of_stream:
        return "end of stream";
    }
    return "unknown sluice error " + std::to_string(value);
  }

  std::error_condition default_error_condition(int value) const noexcept override {
    switch (static_cast<errc>(value)) {
      case errc::canceled:
        return std::errc::operation_canceled;
      case errc::deadline_exceeded:
        return std::errc::timed_out;
      case errc::closed:
      case errc::end_of_stream:
        break;
    }
    return {value, *this};
  }
};

// The object of an error: see error::object_.
constexpr std::uintptr_t tag(int fd) noexcept {
  return static_cast<std::uintptr_t>(static_cast<unsigned>(fd)) * 2 + 1;
}
constexpr int descriptor(std::uintptr_t object) noexcept {
  return static_cast<int>(object / 2);
}
constexpr bool is_text(std::uintptr_t object) noexcept {
  return object != 0 && object % 2 == 0;
}
char* text(std::uintptr_t object) noexcept {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): one word instead of two, off any hot path
  return reinterpret_cast<char*>(object);
}

std::uintptr_t copy_text(std::string_view from) {
  if (from.empty()) return 0;
  char* copy = new char[from.size() + 1];
  std::memcpy(copy, from.data(), from.size());
  copy[from.size()] = '\0';
  return reinterpret_cast<std::uintptr_t>(copy);
}

std::uintptr_t copy_object(std::uintptr_t object) {
  return is_text(object) ? copy_text(text(object)) : object;
}

}  // namespace

const std::error_category& sluice_category() noexcept {
  // Never destroyed: errors are compared and printed by destructors of static objects too.
  static constinit detail::immortal<category> forever;
  return forever.it;
}

error::error(std::error_code cause, const char* operation) noexcept
    : code_(cause), operation_(operation) {}

error::error(std::error_code cause, const char* operation, std::string_view object,
             std::size_t transferred)
    : code_(cause), operation_(operation), transferred_(transferred), object_(copy_text(object)) {}

error error::of_fd(std::error_code cause, const char* operation, int fd,
                   std::size_t transferred) noexcept {
  error e(cause, operation);
  e.transferred_ = transferred;
  e.object_ = tag(fd);
  return e;
}

error::error(const error& other)
    : code_(other.code_),
      operation_(other.operation_),
      transferred_(other.transferred_),
      object_(copy_object(other.object_)) {}

error::error(error&& other) noexcept
    : code_(other.code_),
      operation_(other.operation_),
      transferred_(other.transferred_),
      object_(std::exchange(other.object_, 0)) {}

error& error::operator=(const error& other) {
  if (this != &other) *this = error(other);
  return *this;
}

error& error::operator=(error&& other) noexcept {
  code_ = other.code_;
  operation_ = other.operation_;
  transferred_ = other.transferred_;
  std::swap(object_, other.object_);  // the old text goes with `other`
  return *this;
}

error::~error() {
  if (is_text(object_)) delete[] text(object_);
}

std::string error::object() const {
  if (is_text(object_)) return text(object_);
  if (object_ != 0) return "fd " + std::to_string(descriptor(object_));
  return {};
}

std::string error::message() const {
  std::string out = operation_;
  if (object_ != 0) {
    if (!out.empty()) out += ' ';
    out += object();
  }
  if (!out.empty()) out += ": ";
  out += code_.message();
  if (transferred_ != 0) {
    out += " (after " + std::to_string(transferred_) + (transferred_ == 1 ? " byte)" : " bytes)");
  }
  return out;
}

panic_error::~panic_error() = default;
const char* panic_error::what() const noexcept {
  return text_;
}

stopped_error::~stopped_error() = default;
const char* stopped_error::what() const noexcept {
  return "stopped";
}

result_error::result_error(const error& e) : std::system_error(e.code()), text_(e.message()) {}
result_error::~result_error() = default;
const char* result_error::what() const noexcept {
  return text_.what();
}

namespace detail {

namespace {
std::error_code from_errno(int number) noexcept {
  SLUICE_DASSERT(number > 0, "error: an errno is positive");
  return {number, std::system_category()};
}
}  // namespace

error make_errno_error(int number, const char* operation, std::string_view object,
                       std::size_t transferred) {
  return error(from_errno(number), operation, object, transferred);
}

error make_errno_error(int number, const char* operation, int fd,
                       std::size_t transferred) noexcept {
  return error::of_fd(from_errno(number), operation, fd, transferred);
}

void throw_result_error(const error& e) {
  throw result_error(e);
}

}  // namespace detail
}  // namespace sluice
