// SPDX-License-Identifier: MIT
// What a signal is to a context, and which ones it can be.
#include <sluice/detail/base/assert.hpp>
#include <sluice/os/signal.hpp>

#include "base/fibre.hpp"
#include "base/immortal.hpp"
#include "os/signal_dispatcher.hpp"
#include "sched/cancel_node.hpp"
#include "sched/external_source.hpp"

#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include <signal.h>
#include <string.h>

namespace sluice {

namespace {

class category final : public std::error_category {
 public:
  constexpr category() noexcept = default;
  const char* name() const noexcept override { return "signal"; }

  std::string message(int value) const override {
    if (const char* known = ::sigabbrev_np(value))
      return fmt::format("interrupted by SIG{}", known);
    return fmt::format("interrupted by signal {}", value);
  }
};

}  // namespace

const std::error_category& signal_category() noexcept {
  // Never destroyed: causes are printed by destructors of static objects too.
  static constinit detail::immortal<category> forever;
  return forever.it;
}

namespace detail {

namespace {

class signal_node final : public cancel_node {
 public:
  signal_node(context_ref parent, signal_set s) noexcept
      : cancel_node(std::move(parent), time_point::max()), watch_(*this, s) {}

  void listen() {
    awaits_.emplace();
    signal_dispatcher::instance().add(watch_);
  }

 private:
  ~signal_node() override = default;
  void on_cancelled() noexcept override {
    signal_dispatcher::instance().remove(watch_);
    awaits_.reset();
  }

  signal_watch watch_;
  std::optional<external_source> awaits_;  // until all that a signal cancels has been told
};

void refuse_what_cannot_come(int signal) {
  switch (signal) {
    case SIGKILL:
      throw_panic("signal_context: SIGKILL cannot be caught");
    case SIGSTOP:
      throw_panic("signal_context: SIGSTOP cannot be caught");
    case SIGSEGV:
      throw_panic("signal_context: SIGSEGV is a fault of the code that runs");
    case SIGBUS:
      throw_panic("signal_context: SIGBUS is a fault of the code that runs");
    case SIGFPE:
      throw_panic("signal_context: SIGFPE is a fault of the code that runs");
    case SIGILL:
      throw_panic("signal_context: SIGILL is a fault of the code that runs");
    case SIGTRAP:
      throw_panic("signal_context: SIGTRAP is a fault of the code that runs");
    case SIGSYS:
      throw_panic("signal_context: SIGSYS is a fault of the code that runs");
    default:
      break;
  }
  struct sigaction is{};
  if (signal < 1 || signal > most_signal || ::sigaction(signal, nullptr, &is) != 0) {
    throw_panic("signal_context: no such signal");
  }
}

}  // namespace

context_ref make_signal_context(const int* signals, std::size_t n) {
  signal_set all = 0;
  for (std::size_t i = 0; i < n; ++i) {
    refuse_what_cannot_come(signals[i]);
    all |= bit_of(signals[i]);
  }
  auto* node = new signal_node(current_context(), all);
  context_ref made(node);
  tsan_release(static_cast<context_node*>(node));  // pairs with who cancels it
  node->listen();
  node->join_parent();
  return made;
}

}  // namespace detail
}  // namespace sluice
