// SPDX-License-Identifier: MIT
// The rows of sluice's benchmark on standalone Asio: awaitable<> coroutines on a thread pool, with
// the experimental channels, which lock where there is more than one thread.
#include "harness/peer.hpp"

#include "harness/process.hpp"

#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/experimental/channel.hpp>
#include <asio/experimental/concurrent_channel.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

namespace {

using asio::awaitable;
using asio::use_awaitable;
using perf::meter;
using executor = asio::any_io_executor;
using alone_channel = asio::experimental::channel<void(asio::error_code, std::uint64_t)>;
using shared_channel =
    asio::experimental::concurrent_channel<void(asio::error_code, std::uint64_t)>;

/// Runs main on an io_context of that many threads until nothing is left to do.
template <class F>
void run(int workers, F main) {
  asio::io_context io(workers);
  asio::co_spawn(io, main(io.get_executor()), asio::detached);
  std::vector<std::thread> others;
  for (int i = 1; i < workers; ++i)
    others.emplace_back([&] { io.run(); });
  io.run();
  for (std::thread& t : others)
    t.join();
}

awaitable<std::uint64_t> child(std::uint64_t i) {
  co_return i;
}

awaitable<void> create(meter* m, std::uint64_t n) {
  std::uint64_t sum = 0;
  m->start();
  for (std::uint64_t i = 0; i < n; ++i)
    sum += co_await child(i);
  m->stop();
  perf::keep(sum);
}

awaitable<void> spawn_one(meter* m, executor ex, std::uint64_t n) {
  std::uint64_t sum = 0;
  m->start();
  for (std::uint64_t i = 0; i < n; ++i)
    sum += co_await asio::co_spawn(ex, child(i), use_awaitable);
  m->stop();
  perf::keep(sum);
}

awaitable<void> yielder(executor ex, std::uint64_t n) {
  for (std::uint64_t i = 0; i < n; ++i)
    co_await asio::post(ex, use_awaitable);
}

/// The routines end the run by themselves: the time is that of the whole io_context.
void yield(meter& m, int workers, std::uint64_t n) {
  const int routines = 2 * workers;
  asio::io_context io(workers);
  for (int i = 0; i < routines; ++i) {
    asio::co_spawn(io, yielder(io.get_executor(), n / static_cast<std::uint64_t>(routines)),
                   asio::detached);
  }
  std::vector<std::thread> others;
  m.start();
  for (int i = 1; i < workers; ++i)
    others.emplace_back([&] { io.run(); });
  io.run();
  for (std::thread& t : others)
    t.join();
  m.stop();
}

template <class Channel>
awaitable<void> echo(Channel* there, Channel* back, std::uint64_t n) {
  for (std::uint64_t i = 0; i < n; ++i) {
    const std::uint64_t v = co_await there->async_receive(use_awaitable);
    co_await back->async_send(asio::error_code(), v + 1, use_awaitable);
  }
}

template <class Channel>
awaitable<void> play(meter* m, executor ex, std::uint64_t n) {
  Channel there(ex, 0);
  Channel back(ex, 0);
  std::uint64_t sum = 0;
  m->start();
  asio::co_spawn(ex, echo(&there, &back, n), asio::detached);
  for (std::uint64_t i = 0; i < n; ++i) {
    co_await there.async_send(asio::error_code(), i, use_awaitable);
    sum += co_await back.async_receive(use_awaitable);
  }
  m->stop();
  perf::keep(sum);
  // The partner's last step refers to the channels.
  for (int i = 0; i < 100; ++i)
    co_await asio::post(ex, use_awaitable);
}

template <class Channel>
awaitable<void> produce(Channel* c, std::uint64_t n) {
  for (std::uint64_t i = 0; i < n; ++i) {
    co_await c->async_send(asio::error_code(), i, use_awaitable);
  }
}

template <class Channel>
awaitable<void> stream(meter* m, executor ex, std::uint64_t n) {
  Channel c(ex, 128);
  std::uint64_t sum = 0;
  m->start();
  asio::co_spawn(ex, produce(&c, n), asio::detached);
  for (std::uint64_t i = 0; i < n; ++i)
    sum += co_await c.async_receive(use_awaitable);
  m->stop();
  perf::keep(sum);
  for (int i = 0; i < 100; ++i)
    co_await asio::post(ex, use_awaitable);
}

awaitable<void> sleeper(executor ex, std::chrono::nanoseconds d) {
  asio::steady_timer t(ex, d);
  co_await t.async_wait(use_awaitable);
}

void sleepers(meter& m, int workers, std::uint64_t n) {
  const perf::process_figures before = perf::figures_of_process();
  run(workers, [n](executor ex) -> awaitable<void> {
    for (std::uint64_t i = 0; i < n; ++i) {
      const std::chrono::nanoseconds d(perf::scatter(i, 1'000'000'000));
      asio::co_spawn(ex, sleeper(ex, d), asio::detached);
    }
    co_return;
  });
  const perf::process_figures after = perf::figures_of_process();
  m.set("wall", after.wall - before.wall);
  m.set("cpu", after.cpu - before.cpu);
  m.set("rss", (after.peak_rss - before.rss) / 1e6);
}

constexpr perf::served_row served[] = {
    {"create_await_destroy",
     [](meter& m, int workers, std::uint64_t n) {
       run(workers, [&](executor) { return create(&m, n); });
     }},
    {"spawn_one",
     [](meter& m, int workers, std::uint64_t n) {
       run(workers, [&](executor ex) { return spawn_one(&m, ex, n); });
     }},
    {"yield", yield},
    {"ping_pong",
     [](meter& m, int workers, std::uint64_t n) {
       run(workers, [&](executor ex) {
         return workers == 1 ? play<alone_channel>(&m, ex, n) : play<shared_channel>(&m, ex, n);
       });
     }},
    {"cap128_1x1",
     [](meter& m, int workers, std::uint64_t n) {
       run(workers, [&](executor ex) {
         return workers == 1 ? stream<alone_channel>(&m, ex, n) : stream<shared_channel>(&m, ex, n);
       });
     }},
    {"sleepers_1e6", sleepers},
};

}  // namespace

int main() {
  return perf::serve(served);
}
