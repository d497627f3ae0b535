// SPDX-License-Identifier: MIT
// What does it cost to hand a value over: there and back without a buffer, and through a buffer of
// 128 from one producer to one consumer, and from four to four?
#include <sluice/chan.hpp>
#include <sluice/go.hpp>
#include <sluice/runtime.hpp>

#include "harness/bench.hpp"

#include <vector>

namespace {

using channel = sluice::chan<std::uint64_t>;

sluice::task<> echo(channel in, channel out) {
  while (auto v = co_await in.recv())
    co_await out.send(*v + 1);
}

sluice::task<> play(perf::meter* m, std::uint64_t n) {
  const channel there(0);
  const channel back(0);
  auto partner = sluice::go(echo, there, back);
  std::uint64_t sum = 0;
  m->start();
  for (std::uint64_t i = 0; i < n; ++i) {
    co_await there.send(std::uint64_t{i});
    const auto v = co_await back.recv();
    sum += *v;
  }
  m->stop();
  perf::keep(sum);
  there.close();
  co_await std::move(partner);
}

sluice::task<> produce(channel out, std::uint64_t n) {
  for (std::uint64_t i = 0; i < n; ++i)
    co_await out.send(std::uint64_t{i});
}

sluice::task<std::uint64_t> consume(channel in) {
  std::uint64_t sum = 0;
  while (auto v = co_await in.recv())
    sum += *v;
  co_return sum;
}

sluice::task<> stream(perf::meter* m, std::uint64_t n, std::uint64_t pairs) {
  const channel c(128);
  std::vector<sluice::join_handle<std::uint64_t>> consumers(pairs);
  std::vector<sluice::join_handle<>> producers(pairs);
  std::uint64_t sum = 0;
  m->start();
  for (auto& h : consumers)
    h = sluice::go(consume, c);
  for (auto& h : producers)
    h = sluice::go(produce, c, n / pairs);
  for (auto& h : producers)
    co_await std::move(h);
  c.close();
  for (auto& h : consumers)
    sum += co_await std::move(h);
  m->stop();
  perf::keep(sum);
}

const perf::registration ping_pong{{
    .group = "chan",
    .name = "ping_pong",
    .run = [](perf::meter& m, int workers,
              std::uint64_t n) { sluice::run({.workers = workers}, play, &m, n); },
    .aims = {{1, 47.0 / 237}, {2, 62.0 / 281}},
}};

const perf::registration one_to_one{{
    .group = "chan",
    .name = "cap128_1x1",
    .run =
        [](perf::meter& m, int workers, std::uint64_t n) {
          sluice::run({.workers = workers}, stream, &m, n, std::uint64_t{1});
        },
    .aims = {{1, 10.0 / 46}, {2, 24.0 / 43}},
}};

const perf::registration four_to_four{{
    .group = "chan",
    .name = "cap128_4x4",
    .run =
        [](perf::meter& m, int workers, std::uint64_t n) {
          sluice::run({.workers = workers}, stream, &m, n, std::uint64_t{4});
        },
    .aims = {{1, 25.0 / 48}, {2, 35.0 / 71}},
}};

}  // namespace
