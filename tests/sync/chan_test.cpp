// SPDX-License-Identifier: MIT
// Channels: order, hand-off, capacities, values. How they end stands in chan_close_test.cpp.
#include <sluice/chan.hpp>
#include <sluice/go.hpp>
#include <sluice/routine.hpp>

#include "support/counted.hpp"
#include "support/everywhere.hpp"
#include "support/skip.hpp"
#include "support/unwinding.hpp"

#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;

namespace {

#if !defined(SLUICE_ASAN) && !defined(SLUICE_TSAN)  // these bring an operator new of their own
constexpr bool counts_allocations = true;
#else
constexpr bool counts_allocations = false;
#endif

// Allocations of this thread, counted by the replaced operator new.
thread_local std::size_t allocations = 0;

using ints = std::vector<int>;

task<> produce(send_chan<int> out, int first, int n) {
  for (int i = first; i < first + n; ++i) {
    const bool sent = co_await out.send(i);
    CHECK(sent);
  }
}

task<ints> consume(recv_chan<int> in, int n) {
  ints got;
  for (int i = 0; i < n; ++i) {
    const std::optional<int> v = co_await in.recv();
    if (v) got.push_back(*v);
  }
  co_return got;
}

ints upto(int n) {
  ints all;
  for (int i = 0; i < n; ++i)
    all.push_back(i);
  return all;
}

/// `waiters` routines send or receive one value each, in the order in which they began to wait.
task<> fifo(std::size_t capacity, bool of_senders) {
  constexpr int waiters = 5;
  chan<int> c(capacity);
  auto order = std::make_unique<ints>(waiters, -1);
  for (std::size_t i = 0; of_senders && i < capacity; ++i)
    c.try_send(-1 - static_cast<int>(i));
  std::vector<join_handle<>> all;
  for (int i = 0; i < waiters; ++i) {
    if (of_senders) {
      all.push_back(go(
          [](chan<int> out, int v) -> task<> { static_cast<void>(co_await out.send(v)); }, c, i));
    } else {
      all.push_back(go(
          [](chan<int> in, ints* to, int place) -> task<> {
            (*to)[static_cast<std::size_t>(place)] = (co_await in.recv()).value_or(-9);
          },
          c, order.get(), i));
    }
    co_await until_waiting(all.back().id());
  }
  const int fill = of_senders ? static_cast<int>(capacity) : 0;
  for (int i = -fill; i < waiters; ++i) {
    if (of_senders) {
      const std::optional<int> got = co_await c.recv();
      CHECK(got.value_or(-100) == (i < 0 ? -1 - (i + fill) : i));
    } else {
      CHECK(c.try_send(i));  // direct: the receiver waits, though there may be no buffer
    }
  }
  for (auto& h : all)
    co_await std::move(h);
  if (!of_senders) CHECK(*order == upto(waiters));
  CHECK(c.len() == 0);
}

}  // namespace

#if !defined(SLUICE_ASAN) && !defined(SLUICE_TSAN)
void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* p = std::malloc(bytes)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept {
  std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
  std::free(p);
}
#endif

TEST_SUITE("sync/chan") {
  TEST_CASE("chan: values come out in the order they went in, whatever the capacity") {
    for (const std::size_t capacity :
         {std::size_t{0}, std::size_t{1}, std::size_t{3}, std::size_t{128}, std::size_t{100'000}}) {
      CAPTURE(capacity);
      everywhere([capacity]() -> task<> {
        constexpr int n = 300;
        chan<int> c = capacity == 100'000 ? chan<int>(unbounded) : chan<int>(capacity);
        auto p = go(produce, c, 0, n);
        auto q = go(consume, c, n);
        co_await std::move(p);
        const ints got = co_await std::move(q);
        CHECK(got == upto(n));
        CHECK(c.len() == 0);
      });
    }
  }

  TEST_CASE("chan: waiting senders are served first come, first served") {
    for (const std::size_t capacity : {0u, 1u, 3u}) {
      everywhere([capacity]() -> task<> { co_await fifo(capacity, true); });
    }
  }

  TEST_CASE("chan: waiting receivers are served first come, first served") {
    for (const std::size_t capacity : {0u, 1u, 3u}) {
      everywhere([capacity]() -> task<> { co_await fifo(capacity, false); });
    }
  }

  TEST_CASE(
      "chan: a buffer of n takes n values without waiting; the next send waits for a receive") {
    for (const std::size_t capacity : {0u, 1u, 3u, 128u}) {
      everywhere([capacity]() -> task<> {
        chan<int> c(capacity);
        CHECK(c.cap() == capacity);
        for (std::size_t i = 0; i < capacity; ++i)
          CHECK(c.try_send(static_cast<int>(i)));
        CHECK(c.len() == capacity);
        CHECK_FALSE(c.try_send(-1));
        auto h = go([](chan<int> out) -> task<bool> { co_return co_await out.send(77); }, c);
        co_await until_waiting(h.id());
        CHECK(c.len() == capacity);
        int last = -1;
        for (std::size_t i = 0; i <= capacity; ++i) {
          const std::optional<int> v = c.try_recv();
          CHECK(v.has_value());
          last = v.value_or(-2);
        }
        CHECK(last == 77);
        const bool sent = co_await std::move(h);
        CHECK(sent);
        CHECK_FALSE(c.try_recv().has_value());
      });
    }
  }

  TEST_CASE("chan: an unbounded channel takes all, and keeps order while it grows and wraps") {
    everywhere([]() -> task<> {
      chan<int> c(unbounded);
      CHECK(c.cap() == ~std::size_t{0});
      int in = 0;
      int out = 0;
      for (int round = 0; round < 12; ++round) {
        for (int i = 0; i < 20 + round * 7; ++i) {
          const bool sent = co_await c.send(in++);
          CHECK(sent);
        }
        for (int i = 0; i < 13 + round * 3; ++i) {
          const std::optional<int> v = co_await c.recv();
          CHECK(v.value_or(-1) == out++);
        }
        CHECK(c.len() == static_cast<std::size_t>(in - out));
      }
      while (auto v = c.try_recv())
        CHECK(*v == out++);
      CHECK(in == out);
    });
  }

  TEST_CASE("chan: an unbounded send does not wait for a receiver that is being stopped") {
    everywhere([]() -> task<> {
      chan<int> c(unbounded);
      auto h = go([](chan<int> in) -> task<> { static_cast<void>(co_await in.recv()); }, c);
      co_await until_waiting(h.id());
      h.cancel();  // claimed, and perhaps still in the channel's queue
      CHECK(c.try_send(1));
      const bool sent = co_await c.send(2);
      CHECK(sent);
      CHECK(c.len() == 2);
      const bool stopped = co_await ends_stopped(std::move(h));
      CHECK(stopped);
    });
  }

  TEST_CASE("chan: move-only values pass, buffered and directly, and nothing else moves them") {
    everywhere([]() -> task<> {
      using box = std::unique_ptr<std::string>;
      for (const std::size_t capacity : {0u, 2u}) {
        chan<box> c(capacity);
        auto h = go(
            [](chan<box> out) -> task<> {
              for (const char* word : {"one", "two", "three"}) {
                auto b = std::make_unique<std::string>(word);
                const bool sent = co_await out.send(std::move(b));
                CHECK(sent);
                CHECK(b == nullptr);
              }
              const bool sent = co_await out.emplace(new std::string("four"));
              CHECK(sent);
              out.close();
            },
            c);
        std::string all;
        while (auto v = co_await c.recv())
          all += **v;
        CHECK(all == "onetwothreefour");
        co_await std::move(h);
      }
    });
  }

  TEST_CASE("chan: an lvalue is copied, an rvalue moved, an emplaced value made in place") {
    counted::reset();
    everywhere([]() -> task<> {
      for (const std::size_t capacity : {0u, 4u}) {
        chan<counted> c(capacity);
        auto h = go(
            [](chan<counted> out) -> task<> {
              const counted kept(1);
              counted given(2);
              static_cast<void>(co_await out.send(kept));
              static_cast<void>(co_await out.send(std::move(given)));
              static_cast<void>(co_await out.emplace(3));
              CHECK(kept.value() == 1);
              CHECK(given.value() == counted::moved_from);
            },
            c);
        for (int i = 1; i <= 3; ++i) {
          const std::optional<counted> v = co_await c.recv();
          CHECK((v ? v->value() : 0) == i);
        }
        co_await std::move(h);
      }
    });
    CHECK(counted::balanced());
  }

  TEST_CASE("chan: a value whose copy throws is not sent") {
    struct fragile {
      explicit fragile(int n) : value(n) {}
      fragile(const fragile&) : value(0) { throw std::runtime_error("copy"); }
      fragile(fragile&& o) noexcept : value(o.value) {}
      int value;
    };
    everywhere([]() -> task<> {
      chan<fragile> c(2);
      const fragile f(1);
      bool thrown = false;
      try {
        static_cast<void>(co_await c.send(f));
      } catch (const std::runtime_error&) {
        thrown = true;
      }
      CHECK(thrown);
      CHECK(c.len() == 0);
    });
  }

  TEST_CASE("chan: values that are left are destroyed with the channel") {
    counted::reset();
    everywhere([]() -> task<> {
      for (const std::size_t capacity : {5u, 1000u}) {
        chan<counted> c = capacity == 1000 ? chan<counted>(unbounded) : chan<counted>(capacity);
        for (int i = 0; i < 5; ++i)
          static_cast<void>(co_await c.emplace(i));
        for (int i = 0; i < 2; ++i)
          static_cast<void>(co_await c.recv());
        for (int i = 0; i < 2; ++i)
          static_cast<void>(co_await c.emplace(i));
        CHECK(counted::live() == 5);
        c = chan<counted>();
        CHECK(counted::live() == 0);
      }
    });
    CHECK(counted::balanced());
  }

  TEST_CASE("chan: large, small and over-aligned elements") {
    struct alignas(64) wide {
      int v[40];
    };
    everywhere([]() -> task<> {
      chan<wide> c(3);
      chan<char> d(2);
      for (int i = 0; i < 8; ++i) {
        auto w = std::make_unique<wide>();
        w->v[39] = i;
        CHECK(c.try_send(*w));
        CHECK(d.try_send(static_cast<char>('a' + i)));
        const auto back = std::make_unique<std::optional<wide>>(c.try_recv());
        CHECK((*back)->v[39] == i);
        CHECK(d.try_recv().value_or('?') == 'a' + i);
      }
      co_return;
    });
  }

  TEST_CASE("chan: no operation allocates, ready or suspended") {
    if (!counts_allocations) return skip("sanitizers have their own operator new");
    run({.workers = 1}, []() -> task<> {
      for (const std::size_t capacity : {0u, 1u, 64u}) {
        chan<std::unique_ptr<int>> c(capacity);
        chan<int> stop(0);
        auto echo = go(
            [](chan<std::unique_ptr<int>> in, chan<int> done) -> task<std::size_t> {
              // The first round fills caches of the process.
              static_cast<void>(co_await in.recv());
              const std::size_t before = allocations;
              for (int i = 0; i < 1000; ++i)
                static_cast<void>(co_await in.recv());
              const std::size_t after = allocations;
              static_cast<void>(co_await done.send(1));
              co_return after - before;
            },
            c, stop);
        auto value = std::make_unique<int>(1);
        static_cast<void>(co_await c.send(std::move(value)));
        const std::size_t before = allocations;
        for (int i = 0; i < 1000; ++i)
          static_cast<void>(co_await c.send(nullptr));
        const std::size_t mine = allocations - before;
        static_cast<void>(co_await stop.recv());
        const std::size_t others = co_await std::move(echo);
        CHECK(mine == 0);
        CHECK(others == 0);
      }
    });
  }

  TEST_CASE("chan: an unbounded channel allocates only when its buffer doubles") {
    if (!counts_allocations) return skip("sanitizers have their own operator new");
    run({.workers = 1}, []() -> task<> {
      chan<int> c(unbounded);
      const std::size_t before = allocations;
      for (int i = 0; i < 16 * 64; ++i)
        CHECK(c.try_send(i));
      CHECK(allocations - before <= 7);  // aligned operator new is not counted here: at most
      while (c.try_recv()) {
      }
      const std::size_t drained = allocations;
      for (int i = 0; i < 16 * 64; ++i)
        static_cast<void>(co_await c.send(i));
      CHECK(allocations == drained);
    });
  }
}
