// SPDX-License-Identifier: MIT
// Between contexts and std::stop_token, both ways, for code that is stopped by the other.
#pragma once

#include <sluice/context.hpp>

#include <stop_token>
#include <system_error>
#include <utility>

namespace sluice {

/// A child of `parent` that is also cancelled once a stop is requested through a std::stop_token:
///
///   stop_token_context until(thread_token);
///   co_await with_context(until, serve());
///
/// Threads: a stop may be requested on any. Cost: the cancel runs in request_stop(), on its thread.
class [[nodiscard]] stop_token_context : public owned_context {
 public:
  /// `cause`: what it is cancelled with then. Errors: throws std::bad_alloc.
  explicit stop_token_context(std::stop_token token, const context& parent = context::current(),
                              std::error_code cause = errc::canceled)
      : owned_context(parent.with_cancel()), end_(std::move(token), canceller{*this, cause}) {}
  stop_token_context(const stop_token_context&) = delete;
  stop_token_context& operator=(const stop_token_context&) = delete;
  ~stop_token_context() = default;

 private:
  struct canceller {
    void operator()() const noexcept { detail::cancel(of.node().get(), cause); }
    context of;  // counted: with_context may have taken it over
    std::error_code cause;
  };

  std::stop_callback<canceller> end_;  // ends first, and waits for a call that is under way
};

/// A std::stop_token through which a stop is requested once `c` is cancelled, for as long as this lives:
///
///   context_stop_token stop(context::current());
///   co_await blocking([&] { return solve(stop.get()); });
///
/// Threads: what is registered with the token (std::stop_callback) runs in a routine.
class [[nodiscard]] context_stop_token {
 public:
  /// Errors: panics outside of routines; throws std::bad_alloc. Cost: a routine that waits.
  explicit context_stop_token(const context& c = context::current())
      : registered_(c.after_func([s = source_] { static_cast<void>(s.request_stop()); })) {}
  context_stop_token(const context_stop_token&) = delete;
  context_stop_token& operator=(const context_stop_token&) = delete;
  ~context_stop_token() { static_cast<void>(registered_.stop()); }

  std::stop_token get() const noexcept { return source_.get_token(); }

 private:
  std::stop_source source_;
  after_func_handle registered_;
};

}  // namespace sluice
