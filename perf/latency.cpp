// SPDX-License-Identifier: MIT
// How long does a routine that has become runnable wait until it runs, beside a load that never ends?
// Two pings: one sleeps for 100 to 300 us, and sees how late it is resumed; one yields, and sees how
// long the others keep the worker. Each row is one load; the figures are percentiles in microseconds.
//
//   ready   10^4 routines that do nothing but yield
//   hogs    four routines per worker that compute for 100 us, then yield
//   timers  10^5 routines that sleep again and again, for up to a second
//   pair    per worker two routines that hand a value to and fro without a pause
//   awaits  per worker a routine that only awaits what is ready: it fills a buffer and drains it
#include <sluice/chan.hpp>
#include <sluice/go.hpp>
#include <sluice/routine.hpp>
#include <sluice/runtime.hpp>
#include <sluice/time.hpp>

#include "harness/bench.hpp"
#include "harness/percentiles.hpp"
#include "harness/process.hpp"

#include <atomic>
#include <chrono>
#include <vector>

namespace {

using channel = sluice::chan<std::uint64_t>;
using handles = std::vector<sluice::join_handle<>>;

constexpr std::uint64_t ms = 1'000'000;  // ns
constexpr std::uint64_t hog_ns = 100'000;
constexpr std::uint64_t timer_ns = 1000 * ms;
constexpr std::uint64_t phase_ns = 3000 * ms;  // a ping that has to wait for long stops earlier

/// A load's routines look at it now and then.
class whistle {
 public:
  // relaxed, both: nothing is handed over by it
  void blow() noexcept { blown_.store(true, std::memory_order_relaxed); }
  bool is_blown() const noexcept { return blown_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> blown_{false};
};

sluice::task<> yielder(const whistle* end) {
  while (!end->is_blown())
    co_await sluice::yield();
}

sluice::task<> hog(const whistle* end) {
  while (!end->is_blown()) {
    const std::uint64_t until = perf::now_ns() + hog_ns;
    while (perf::now_ns() < until) {
    }
    co_await sluice::yield();
  }
}

sluice::task<> sleeper(const whistle* end, std::uint64_t i) {
  for (; !end->is_blown(); i += 100'000)
    co_await sluice::sleep_for(std::chrono::nanoseconds(perf::scatter(i, timer_ns)));
}

sluice::task<> serve_ball(const whistle* end, channel there, channel back) {
  for (std::uint64_t i = 0; !end->is_blown(); ++i) {
    co_await there.send(std::uint64_t{i});
    co_await back.recv();
  }
  there.close();
}

sluice::task<> return_ball(channel there, channel back) {
  while (auto v = co_await there.recv())
    co_await back.send(std::uint64_t{*v});
}

sluice::task<> await_ready(const whistle* end) {
  constexpr std::uint64_t places = 16;
  const channel c(places);
  while (!end->is_blown()) {
    for (std::uint64_t i = 0; i < places; ++i)
      co_await c.send(std::uint64_t{i});
    for (std::uint64_t i = 0; i < places; ++i)
      co_await c.recv();
  }
}

void start_ready(handles& h, const whistle* end, int) {
  for (int i = 0; i < 10'000; ++i)
    h.push_back(sluice::go(yielder, end));
}
void start_hogs(handles& h, const whistle* end, int workers) {
  for (int i = 0; i < 4 * workers; ++i)
    h.push_back(sluice::go(hog, end));
}
void start_timers(handles& h, const whistle* end, int) {
  for (std::uint64_t i = 0; i < 100'000; ++i)
    h.push_back(sluice::go(sleeper, end, i));
}
void start_pairs(handles& h, const whistle* end, int workers) {
  for (int i = 0; i < workers; ++i) {
    const channel there(0);
    const channel back(0);
    h.push_back(sluice::go(return_ball, there, back));
    h.push_back(sluice::go(serve_ball, end, there, back));
  }
}
void start_awaits(handles& h, const whistle* end, int workers) {
  for (int i = 0; i < workers; ++i)
    h.push_back(sluice::go(await_ready, end));
}

using starter = void (*)(handles&, const whistle*, int workers);

sluice::task<> ping(perf::meter* m, int workers, std::uint64_t n, starter start) {
  whistle end;
  handles load;
  std::vector<std::uint64_t> late;
  late.reserve(n);
  start(load, &end, workers);
  co_await sluice::sleep_for(std::chrono::milliseconds(200));  // the load has begun
  std::uint64_t last = perf::now_ns() + phase_ns;
  for (std::uint64_t i = 0; i < n && perf::now_ns() < last; ++i) {
    const std::uint64_t d = 100'000 + perf::scatter(i, 200'000);
    const std::uint64_t due = perf::now_ns() + d;
    co_await sluice::sleep_for(std::chrono::nanoseconds(d));
    late.push_back(perf::now_ns() - due);
  }
  perf::set_percentiles(*m, "sleep", late);
  late.clear();
  last = perf::now_ns() + phase_ns;
  for (std::uint64_t i = 0; i < n && perf::now_ns() < last; ++i) {
    const std::uint64_t began = perf::now_ns();
    co_await sluice::yield();
    late.push_back(perf::now_ns() - began);
  }
  perf::set_percentiles(*m, "yield", late);
  end.blow();
  for (auto& h : load)
    co_await std::move(h);
}

template <starter Start>
perf::row beside(std::string_view name) {
  const perf::aim go{0, 1.0, "go"};
  return {.group = "latency",
          .name = name,
          .run =
              [](perf::meter& m, int workers, std::uint64_t n) {
                sluice::run({.workers = workers}, ping, &m, workers, n, Start);
              },
          .n = 3000,
          .quick_n = 1000,
          .figures = {{"sleep_p50", "us"},
                      {"sleep_p99", "us", go},
                      {"sleep_p999", "us", go},
                      {"sleep_max", "us"},
                      {"yield_p50", "us"},
                      {"yield_p99", "us", go},
                      {"yield_p999", "us", go},
                      {"yield_max", "us"}}};
}

const perf::registration ready{beside<start_ready>("ready")};
const perf::registration hogs{beside<start_hogs>("hogs")};
const perf::registration timers{beside<start_timers>("timers")};
const perf::registration pair{beside<start_pairs>("pair")};
const perf::registration awaits{beside<start_awaits>("awaits")};

}  // namespace
