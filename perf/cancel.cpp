// SPDX-License-Identifier: MIT
// What does it cost to end a million routines that wait on a channel: each by its handle, all by the context in which
// they were started, and all by ending their executor? From the first request until the last frame is gone.
#include <sluice/chan.hpp>
#include <sluice/context.hpp>
#include <sluice/go.hpp>
#include <sluice/runtime.hpp>
#include <sluice/time.hpp>

#include "harness/bench.hpp"

#include <atomic>
#include <chrono>
#include <vector>

namespace {

/// The million waits on `never`; `left` counts their frames.
struct crowd {
  sluice::chan<bool> never{0};
  sluice::chan<bool> gone{1};
  std::atomic<std::uint64_t> parked{0};
  std::atomic<std::uint64_t> left{0};
};

/// Destroyed with the frame.
class member {
 public:
  explicit member(crowd* c) noexcept : c_(c) {}
  member(const member&) = delete;
  member& operator=(const member&) = delete;
  ~member() {
    // acq_rel: the last one has seen all others
    if (c_->left.fetch_sub(1, std::memory_order_acq_rel) == 1) c_->gone.try_send(true);
  }

 private:
  crowd* c_;
};

sluice::task<> wait_for_ever(crowd* c) {
  const member self(c);
  c->parked.fetch_add(1, std::memory_order_relaxed);  // relaxed: the waits are looked at, too
  co_await c->never.recv();
}

sluice::task<> gather(crowd* c, std::vector<sluice::join_handle<>>* handles, std::uint64_t n) {
  c->left.store(n, std::memory_order_relaxed);  // relaxed: published by go
  for (std::uint64_t i = 0; i < n; ++i) {
    auto h = sluice::go(wait_for_ever, c);
    if (handles != nullptr) (*handles)[i] = std::move(h);
  }
  // relaxed: polled; the last ones begin their waits during the sleep after it
  while (c->parked.load(std::memory_order_relaxed) != n) {
    co_await sluice::sleep_for(std::chrono::milliseconds(1));
  }
  co_await sluice::sleep_for(std::chrono::milliseconds(5));
}

sluice::task<> by_handle(perf::meter* m, std::uint64_t n) {
  crowd c;
  std::vector<sluice::join_handle<>> handles(n);
  co_await gather(&c, &handles, n);
  m->start();
  for (auto& h : handles)
    h.cancel();
  co_await c.gone.recv();
  m->stop();
}

sluice::task<> by_context(perf::meter* m, std::uint64_t n) {
  crowd c;
  const sluice::owned_context all = sluice::context::background().with_cancel();
  static_cast<void>(co_await sluice::with_context(
      all, gather(&c, static_cast<std::vector<sluice::join_handle<>>*>(nullptr), n)));
  m->start();
  all.cancel();
  co_await c.gone.recv();
  m->stop();
}

void by_shutdown(perf::meter& m, int workers, std::uint64_t n) {
  crowd c;
  sluice::executor ex({.workers = workers});
  ex.go(gather, &c, static_cast<std::vector<sluice::join_handle<>>*>(nullptr), n).get();
  m.start();
  ex.shutdown(std::chrono::seconds(60));
  m.stop();
}

const perf::registration cancel_each{{
    .group = "cancel",
    .name = "cancel_1e6_by_handle",
    .run = [](perf::meter& m, int workers,
              std::uint64_t n) { sluice::run({.workers = workers}, by_handle, &m, n); },
    .n = 1'000'000,
    .aims = {{1, 100, ""}, {2, 100, ""}},
}};

const perf::registration cancel_of_context{{
    .group = "cancel",
    .name = "cancel_1e6_by_context",
    .run = [](perf::meter& m, int workers,
              std::uint64_t n) { sluice::run({.workers = workers}, by_context, &m, n); },
    .n = 1'000'000,
    .aims = {{1, 1}, {2, 1}},
}};

const perf::registration cancel_all{{
    .group = "cancel",
    .name = "cancel_1e6_by_shutdown",
    .run = by_shutdown,
    .n = 1'000'000,
    .aims = {{1, 100, ""}, {2, 100, ""}},
}};

}  // namespace
