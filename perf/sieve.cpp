// SPDX-License-Identifier: MIT
// How fast is a long chain of routines with a rendezvous between each two? Hoare's prime sieve: one
// filter per prime; the time until the last prime is found.
#include <sluice/chan.hpp>
#include <sluice/go.hpp>
#include <sluice/runtime.hpp>

#include "harness/bench.hpp"

#include <vector>

namespace {

using channel = sluice::chan<std::uint64_t>;

sluice::task<> generate(channel out) {
  for (std::uint64_t i = 2; co_await out.send(std::uint64_t{i}); ++i) {
  }
}

sluice::task<> filter(channel in, channel out, std::uint64_t prime) {
  while (auto v = co_await in.recv()) {
    if (*v % prime == 0) continue;
    if (!co_await out.send(std::uint64_t{*v})) break;
  }
  in.close_recv();
}

sluice::task<> find(perf::meter* m, std::uint64_t n) {
  m->start();
  channel last(0);
  auto generator = sluice::go(generate, last);
  std::vector<sluice::join_handle<>> filters(n);
  std::uint64_t prime = 0;
  for (auto& h : filters) {
    prime = (co_await last.recv()).value();
    channel next(0);
    h = sluice::go(filter, last, next, prime);
    last = next;
  }
  m->stop();
  perf::keep(prime);
  last.close_recv();  // passes from filter to filter, up to the generator
  for (auto& h : filters)
    co_await std::move(h);
  co_await std::move(generator);
}

const perf::registration sieve{{
    .group = "sieve",
    .name = "sieve_2000",
    .unit = "ms",
    .run = [](perf::meter& m, int workers,
              std::uint64_t n) { sluice::run({.workers = workers}, find, &m, n); },
    .n = 2000,
    .scale = 1e-6,
    .whole = true,
    .aims = {{2, 80.0 / 184}},
}};

}  // namespace
