// SPDX-License-Identifier: MIT
// How long does work from outside take to reach a worker: one that is parked, on a CPU that has
// halted (one way, from the send until the routine runs), and one that still spins after its last
// routine (there and back)?
#include <sluice/chan.hpp>
#include <sluice/runtime.hpp>

#include "harness/bench.hpp"

#include <atomic>
#include <chrono>
#include <thread>

namespace {

/// Takes the time at which each value was sent and says how long it took; 0 says that none has come.
sluice::task<> receiver(sluice::chan<std::uint64_t> in, std::atomic<std::uint64_t>* took) {
  while (auto sent = co_await in.recv()) {
    // release: pairs with the acquire of the sender, which goes on from here
    took->store(perf::now_ns() - *sent + 1, std::memory_order_release);
  }
}

std::uint64_t wait_for(std::atomic<std::uint64_t>& took) {
  std::uint64_t ns = 0;
  // acquire: pairs with receiver(); relaxed: no other writes meanwhile
  while ((ns = took.load(std::memory_order_acquire)) == 0)
    __builtin_ia32_pause();
  took.store(0, std::memory_order_relaxed);
  return ns;
}

void parked(perf::meter& m, int workers, std::uint64_t n) {
  sluice::executor ex({.workers = workers});
  const sluice::chan<std::uint64_t> c(1);
  std::atomic<std::uint64_t> took{0};
  auto h = ex.go(receiver, c, &took);
  std::uint64_t sum = 0;
  m.start();
  for (std::uint64_t i = 0; i < n; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    c.try_send(perf::now_ns());
    sum += wait_for(took);
  }
  m.stop();
  m.set_elapsed(sum);
  c.close();
  std::move(h).get();
}

void spinning(perf::meter& m, int workers, std::uint64_t n) {
  sluice::executor ex({.workers = workers});
  const sluice::chan<std::uint64_t> c(1);
  std::atomic<std::uint64_t> took{0};
  auto h = ex.go(receiver, c, &took);
  m.start();
  for (std::uint64_t i = 0; i < n; ++i) {
    c.try_send(perf::now_ns());
    perf::keep(wait_for(took));
  }
  m.stop();
  c.close();
  std::move(h).get();
}

const perf::registration wake_parked{{
    .group = "wake",
    .name = "wake_parked",
    .run = parked,
    .n = 200,
}};

const perf::registration wake_spinning{{
    .group = "wake",
    .name = "wake_spinning",
    .workers = {2},
    .run = spinning,
}};

}  // namespace
