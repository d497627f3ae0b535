// SPDX-License-Identifier: MIT
// A ledger of channels: random operations by many routines on 1, 2, 4 and 8 workers; each value that
// was sent is received once, and the values of one sender come in order.
#include <sluice/chan.hpp>
#include <sluice/go.hpp>
#include <sluice/routine.hpp>
#include <sluice/runtime.hpp>

#include "support/counted.hpp"
#include "support/unwinding.hpp"
#include "support/watchdog.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;

namespace {

constexpr std::size_t no_limit = ~std::size_t{0};

/// What was sent: by whom, and its number there.
struct parcel {
  int sender;
  int number;
  std::unique_ptr<int> load;  // freed twice or never: the sanitizers tell

  parcel(int s, int n) : sender(s), number(n), load(std::make_unique<int>(n)) {}
};

struct ledger {
  ledger(int senders, int n)
      : each(static_cast<std::size_t>(n)), seen(static_cast<std::size_t>(senders) * each) {}
  const std::size_t each;              // parcels of a sender
  std::vector<std::atomic<int>> seen;  // times each was received
  std::atomic<int> out_of_order{0};
  std::atomic<int> bad{0};

  void take(const parcel& p, std::vector<int>& last) {
    const auto who = static_cast<std::size_t>(p.sender);
    if (!p.load || *p.load != p.number) bad.fetch_add(1);
    seen[who * each + static_cast<std::size_t>(p.number)].fetch_add(1);
    if (p.number <= last[who]) out_of_order.fetch_add(1);
    last[who] = p.number;
  }
};

task<> send_all(send_chan<parcel> out, int me, int n, watchdog* dog) {
  std::minstd_rand random(static_cast<unsigned>(me + 1));
  for (int i = 0; i < n; ++i) {
    parcel p(me, i);
    bool sent = false;
    if (random() / 256 % 3 == 0) sent = out.try_send(std::move(p));
    if (!sent) sent = co_await out.send(std::move(p));
    CHECK(sent);
    if (random() / 256 % 32 == 0) co_await yield();
    dog->progress();
  }
}

task<> receive_all(recv_chan<parcel> in, ledger* book, std::size_t senders, unsigned seed) {
  std::minstd_rand random(seed + 99);
  std::vector<int> last(senders, -1);
  for (;;) {
    if (random() / 256 % 3 == 0) {
      if (const std::optional<parcel> p = in.try_recv()) book->take(*p, last);
      continue;
    }
    const std::optional<parcel> p = co_await in.recv();
    if (!p) break;
    book->take(*p, last);
    if (random() / 256 % 32 == 0) co_await yield();
  }
}

task<> exchange(std::size_t capacity, int senders, int receivers, int each, watchdog* dog) {
  auto book = std::make_unique<ledger>(senders, each);
  chan<parcel> c = capacity == no_limit ? chan<parcel>(unbounded) : chan<parcel>(capacity);
  std::vector<join_handle<>> out;
  std::vector<join_handle<>> in;
  for (int i = 0; i < receivers; ++i) {
    in.push_back(go(receive_all, recv_chan<parcel>(c), book.get(),
                    static_cast<std::size_t>(senders), static_cast<unsigned>(i)));
  }
  for (int i = 0; i < senders; ++i) {
    out.push_back(go(send_all, send_chan<parcel>(c), i, each, dog));
  }
  for (auto& h : out)
    co_await std::move(h);
  c.close();
  for (auto& h : in)
    co_await std::move(h);
  int missing_or_doubled = 0;
  for (const std::atomic<int>& n : book->seen)
    missing_or_doubled += n.load() == 1 ? 0 : 1;
  CHECK(missing_or_doubled == 0);
  CHECK(book->out_of_order.load() == 0);
  CHECK(book->bad.load() == 0);
}

/// Senders and receivers that are stopped at random; who is served, and what is left, must add up.
task<> with_stops(std::size_t capacity, int n, unsigned seed, watchdog* dog) {
  std::minstd_rand random(seed);
  chan<counted> c(capacity);
  auto sent = std::make_unique<std::atomic<int>>(0);
  auto received = std::make_unique<std::atomic<int>>(0);
  std::vector<join_handle<>> all;
  for (int i = 0; i < n; ++i) {
    if (random() / 256 % 2 == 0) {
      all.push_back(go(
          [](send_chan<counted> out, std::atomic<int>* k) -> task<> {
            // One after the other until it is stopped: a completed send counts before the next wait.
            for (;;) {
              const bool ok = co_await out.emplace(1);
              if (!ok) break;
              k->fetch_add(1);
            }
          },
          send_chan<counted>(c), sent.get()));
    } else {
      all.push_back(go(
          [](recv_chan<counted> in, std::atomic<int>* k) -> task<> {
            for (;;) {
              const std::optional<counted> v = co_await in.recv();
              if (!v) break;
              k->fetch_add(1);
            }
          },
          recv_chan<counted>(c), received.get()));
    }
    for (unsigned k = static_cast<unsigned>(random() >> 8) % 4; k > 0; --k)
      co_await yield();
    if (random() / 256 % 2 == 0) {
      all[static_cast<std::size_t>(random() >> 8) % all.size()].cancel();
    }
    dog->progress();
  }
  for (auto& h : all)
    h.cancel();
  for (auto& h : all)
    static_cast<void>(co_await ends_stopped(std::move(h)));
  int left = 0;
  while (c.try_recv())
    ++left;
  CHECK(sent->load() == received->load() + left);
}

}  // namespace

TEST_SUITE("stress/chan") {
  TEST_CASE("chan: each value once, each sender in order, on 1, 2, 4 and 8 workers") {
    for (const int workers : {1, 2, 4, 8}) {
      for (const std::size_t capacity :
           {std::size_t{0}, std::size_t{1}, std::size_t{3}, std::size_t{128}, no_limit}) {
        CAPTURE(workers);
        CAPTURE(capacity);
        watchdog dog("ledger");
        run({.workers = workers}, exchange, capacity, 4, 4, rounds(20'000), &dog);
        run({.workers = workers}, exchange, capacity, 1, 3, rounds(20'000), &dog);
        run({.workers = workers}, exchange, capacity, 3, 1, rounds(20'000), &dog);
      }
    }
  }

  TEST_CASE("chan: routines that come, are stopped and go lose and double nothing") {
    for (const int workers : {1, 2, 4, 8}) {
      for (const std::size_t capacity : {0u, 1u, 3u}) {
        CAPTURE(workers);
        CAPTURE(capacity);
        counted::reset();
        watchdog dog("ledger with stops");
        for (unsigned seed = 1; seed <= 5; ++seed) {
          run({.workers = workers}, with_stops, capacity, rounds(200) + 10,
              seed * 31 + static_cast<unsigned>(workers), &dog);
        }
        CHECK(counted::balanced());
      }
    }
  }
}
