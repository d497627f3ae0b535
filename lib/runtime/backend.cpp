// SPDX-License-Identifier: MIT
#include "runtime/backend.hpp"

#include "base/valgrind.hpp"
#include "io/epoll_reactor.hpp"
#include "io/uring_reactor.hpp"

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include <fmt/format.h>

namespace sluice {

std::string_view to_string(backend b) noexcept {
  switch (b) {
    case backend::automatic:
      return "auto";
    case backend::io_uring:
      return "io_uring";
    case backend::epoll:
      return "epoll";
  }
  return "unknown";
}

namespace detail {

namespace {

struct wanted {
  backend which;
  std::string reason;
};

wanted asked_for(const executor_options& options) {
  const char* name = std::getenv("SLUICE_BACKEND");
  if (name == nullptr || *name == '\0') {
    return {options.backend, options.backend == backend::automatic ? "available" : "asked for"};
  }
  for (const backend b : {backend::automatic, backend::io_uring, backend::epoll}) {
    if (to_string(b) == name) {
      return {b, b == backend::automatic ? "available" : "asked for by SLUICE_BACKEND"};
    }
  }
  throw std::invalid_argument(
      fmt::format("SLUICE_BACKEND={}: not a backend; auto, io_uring or epoll", name));
}

uring_options ring_of(const executor_options& options) {
  uring_options o;
  o.sq_entries = options.ring_entries;
  o.cq_entries = options.ring_entries * 4;
  return o;
}

backend_choice use_epoll(std::string reason, bool fell_back) {
  return {backend::epoll, std::move(reason), fell_back, [](executor_core& ex) {
            return std::unique_ptr<reactor>(std::make_unique<epoll_reactor>(ex.blocking));
          }};
}

}  // namespace

backend_choice choose_backend(const executor_options& options) {
  wanted w = asked_for(options);
  if (w.which == backend::epoll) return use_epoll(std::move(w.reason), false);
  if (w.which == backend::automatic && on_valgrind()) {
    // Valgrind 3.19 runs one thread at a time, and no other while one waits in io_uring_enter(2).
    return use_epoll("valgrind does not wait for a ring", true);
  }
  const uring_options ring = ring_of(options);
  try {
    // A ring belongs to the thread that makes it, so this one only tells; the workers make theirs.
    static_cast<void>(make_uring_reactor(ring));
  } catch (const std::system_error& e) {
    if (w.which == backend::io_uring || !uring_unavailable(e.code().value())) throw;
    return use_epoll(e.what(), true);
  }
  return {backend::io_uring, std::move(w.reason), false,
          [ring](executor_core&) { return make_uring_reactor(ring); }};
}

}  // namespace detail
}  // namespace sluice
