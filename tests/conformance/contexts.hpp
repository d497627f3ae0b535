// SPDX-License-Identifier: MIT
// What the cases of contexts ask: causes of their own, "is it done?" without waiting, and a routine that
// waits until it is.
#pragma once

#include <sluice/boundary.hpp>
#include <sluice/context.hpp>
#include <sluice/go.hpp>
#include <sluice/task.hpp>
#include <sluice/time.hpp>

#include "support/everywhere.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <system_error>
#include <type_traits>

#include <doctest/doctest.h>

namespace sluice_test {

/// Causes of the tests' own.
enum class why { parent = 1, child, too_slow, finished_early, because };

class why_category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "why"; }
  std::string message(int number) const override { return "why " + std::to_string(number); }
};

inline std::error_code make_error_code(why w) noexcept {
  static const why_category category;
  return {static_cast<int>(w), category};
}

}  // namespace sluice_test

template <>
struct std::is_error_code_enum<sluice_test::why> : std::true_type {};

namespace sluice_test {

constexpr std::chrono::milliseconds short_time{1};
constexpr std::chrono::hours very_long{1000};

constexpr sluice::errc canceled = sluice::errc::canceled;
constexpr sluice::errc deadline_exceeded = sluice::errc::deadline_exceeded;

/// Whether it is cancelled, as who waits for it sees it: Go's select of Done with a default. Takes no time.
inline sluice::task<bool> is_done(sluice::context c) {
  const auto seen = co_await sluice::with_timeout(std::chrono::seconds(0), c.done());
  co_return seen.has_value();
}

inline sluice::task<> wait_until_done(sluice::context c) {
  co_await c.done();
}

/// For a routine of its own. `c`: borrowed, and so joined by whoever owns it.
inline sluice::task<> cancel_it(const sluice::owned_context* c, std::error_code cause = {}) {
  c->cancel(cause);
  co_return;
}

/// A function for after_func that says that it ran. Counts may outlive the bubble.
struct runs {
  std::shared_ptr<std::atomic<int>> times = std::make_shared<std::atomic<int>>(0);
  auto function() const {
    return [n = times] { ++*n; };
  }
  int count() const noexcept { return *times; }
};

struct key {
  std::string text;
};

inline void check_open(const sluice::context& c) {
  CHECK(c.err() == std::error_code());
  CHECK(c.cause() == std::error_code());
}

inline void check_ended(const sluice::context& c, std::error_code err, std::error_code cause) {
  CHECK(c.err() == err);
  CHECK(c.cause() == cause);
}

}  // namespace sluice_test
