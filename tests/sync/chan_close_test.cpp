// SPDX-License-Identifier: MIT
// How channels end: close, close_recv, nil, and handles that go while somebody waits.
#include <sluice/chan.hpp>
#include <sluice/error.hpp>
#include <sluice/go.hpp>
#include <sluice/routine.hpp>

#include "io/child.hpp"
#include "support/counted.hpp"
#include "support/everywhere.hpp"
#include "support/unwinding.hpp"

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;

namespace {

/// What the call panics with, or "".
template <class F>
std::string panic_of(F f) {
  try {
    f();
  } catch (const panic_error& e) {
    return e.what();
  }
  return "";
}

task<std::string> panic_of_send(chan<counted> c, counted* value) {
  std::string text;
  try {
    static_cast<void>(co_await c.send(std::move(*value)));
  } catch (const panic_error& e) {
    text = e.what();
  }
  co_return text;
}

}  // namespace

TEST_SUITE("sync/chan close") {
  TEST_CASE("chan: close wakes every receiver with nothing") {
    everywhere([]() -> task<> {
      for (const std::size_t capacity : {0u, 3u}) {
        chan<int> c(capacity);
        std::vector<join_handle<bool>> all;
        for (int i = 0; i < 5; ++i) {
          all.push_back(go(
              [](chan<int> in) -> task<bool> {
                const std::optional<int> v = co_await in.recv();
                co_return v.has_value();
              },
              c));
          co_await until_waiting(all.back().id());
        }
        c.close();
        for (auto& h : all) {
          const bool got = co_await std::move(h);
          CHECK_FALSE(got);
        }
        CHECK(c.drained());
      }
    });
  }

  TEST_CASE("chan: what is buffered comes out of a closed channel, then nothing") {
    everywhere([]() -> task<> {
      chan<int> c(3);
      for (int i = 0; i < 3; ++i)
        CHECK(c.try_send(i));
      c.close();
      CHECK_FALSE(c.drained());
      const std::optional<int> first = co_await c.recv();
      CHECK(first.value_or(-1) == 0);
      CHECK(c.try_recv().value_or(-1) == 1);
      const std::optional<int> third = co_await c.recv();
      CHECK(third.value_or(-1) == 2);
      CHECK(c.drained());
      for (int i = 0; i < 2; ++i) {
        const std::optional<int> none = co_await c.recv();
        CHECK_FALSE(none.has_value());
        CHECK_FALSE(c.try_recv().has_value());
      }
    });
  }

  TEST_CASE("chan: send on a closed channel panics and leaves the value untouched") {
    counted::reset();
    everywhere([]() -> task<> {
      for (const std::size_t capacity : {0u, 2u, 9u}) {
        chan<counted> c = capacity == 9 ? chan<counted>(unbounded) : chan<counted>(capacity);
        c.close();
        auto value = std::make_unique<counted>(5);
        const std::string text = co_await panic_of_send(c, value.get());
        CHECK(text == "chan: send on closed channel");
        CHECK(value->value() == 5);
        CHECK(panic_of([&] { c.try_send(std::move(*value)); }) == "chan: send on closed channel");
        CHECK(value->value() == 5);
      }
    });
    CHECK(counted::balanced());
  }

  TEST_CASE("chan: close makes every waiting sender panic, its value untouched") {
    counted::reset();
    everywhere([]() -> task<> {
      for (const std::size_t capacity : {0u, 1u}) {
        chan<counted> c(capacity);
        if (capacity == 1) CHECK(c.try_send(counted(9)));
        std::vector<std::unique_ptr<counted>> values;
        std::vector<join_handle<std::string>> all;
        for (int i = 0; i < 3; ++i) {
          values.push_back(std::make_unique<counted>(i));
          all.push_back(go(panic_of_send, c, values.back().get()));
          co_await until_waiting(all.back().id());
        }
        c.close();
        for (int i = 0; i < 3; ++i) {
          const std::string text = co_await std::move(all[static_cast<std::size_t>(i)]);
          CHECK(text == "chan: send on closed channel");
          CHECK(values[static_cast<std::size_t>(i)]->value() == i);
        }
        const std::optional<counted> left = c.try_recv();
        CHECK(left.has_value() == (capacity == 1));
      }
    });
    CHECK(counted::balanced());
  }

  TEST_CASE("chan: a panic that leaves the routine arrives at its join") {
    everywhere([]() -> task<> {
      chan<int> c(0);
      auto h = go([](chan<int> out) -> task<> { static_cast<void>(co_await out.send(1)); }, c);
      co_await until_waiting(h.id());
      c.close();
      std::string text;
      try {
        co_await std::move(h);
      } catch (const panic_error& e) {
        text = e.what();
      }
      CHECK(text == "chan: send on closed channel");
    });
  }

  TEST_CASE("chan: close of a closed or nil channel panics") {
    chan<int> c(1);
    c.close();
    CHECK(panic_of([&] { c.close(); }) == "chan: close of closed channel");
    CHECK(panic_of([&] { send_chan<int>(c).close(); }) == "chan: close of closed channel");
    CHECK(panic_of([] { chan<int>().close(); }) == "chan: close of nil channel");
  }

  TEST_CASE("chan: close after close_recv is fine, and the other way round") {
    chan<int> a(1);
    a.close_recv();
    a.close_recv();
    CHECK(panic_of([&] { a.close(); }) == "");
    chan<int> b(1);
    b.close();
    b.close_recv();
    CHECK(b.drained());
    chan<int>().close_recv();
  }

  TEST_CASE(
      "chan: after close_recv sends are refused, their values untouched, receives get nothing") {
    counted::reset();
    everywhere([]() -> task<> {
      for (const std::size_t capacity : {0u, 2u, 9u}) {
        chan<counted> c = capacity == 9 ? chan<counted>(unbounded) : chan<counted>(capacity);
        const bool kept = c.try_send(counted(7));
        CHECK(kept == (capacity != 0));
        c.close_recv();
        counted value(5);
        const bool sent = co_await c.send(std::move(value));
        CHECK_FALSE(sent);
        CHECK(value.value() == 5);
        CHECK_FALSE(c.try_send(std::move(value)));
        CHECK(value.value() == 5);
        const std::optional<counted> none = co_await c.recv();
        CHECK_FALSE(none.has_value());
        CHECK(c.drained() == (capacity == 0));
        const std::optional<counted> left = c.try_recv();
        CHECK((left ? left->value() : 0) == (capacity == 0 ? 0 : 7));
        CHECK(c.drained());
      }
    });
    CHECK(counted::balanced());
  }

  TEST_CASE("chan: close_recv refuses waiting senders and ends waiting receivers") {
    everywhere([]() -> task<> {
      chan<int> full(1);
      full.try_send(1);
      auto sender = go([](chan<int> out) -> task<bool> { co_return co_await out.send(2); }, full);
      chan<int> empty(0);
      auto receiver = go(
          [](chan<int> in) -> task<bool> {
            const std::optional<int> v = co_await in.recv();
            co_return v.has_value();
          },
          empty);
      co_await until_waiting(sender.id());
      co_await until_waiting(receiver.id());
      full.close_recv();
      empty.close_recv();
      const bool sent = co_await std::move(sender);
      const bool got = co_await std::move(receiver);
      CHECK_FALSE(sent);
      CHECK_FALSE(got);
      CHECK(full.len() == 1);
    });
  }

  TEST_CASE("chan: a nil channel is never ready, holds nothing and equals only nil") {
    const chan<int> nil;
    CHECK_FALSE(static_cast<bool>(nil));
    CHECK_FALSE(nil.try_send(1));
    CHECK_FALSE(nil.try_recv().has_value());
    CHECK(nil.len() == 0);
    CHECK(nil.cap() == 0);
    CHECK_FALSE(nil.drained());
    const chan<int> c(1);
    const chan<int> same = c;
    CHECK(nil == chan<int>());
    CHECK(same == c);
    CHECK_FALSE(c == chan<int>(1));
    CHECK_FALSE(c == nil);
    CHECK(recv_chan<int>(c) == recv_chan<int>(same));
    CHECK(send_chan<int>(c) == send_chan<int>(same));
  }

  TEST_CASE("chan: a capacity that fits into no memory panics") {
    CHECK(panic_of([] { chan<int> c(~std::size_t{0} / 2); }) == "chan: size out of range");
  }

  TEST_CASE("chan: the last handle dropped while a routine waits is fatal") {
    const child_end end = in_child([] {
      return run({.workers = 1}, []() -> task<> {
        auto c = std::make_unique<chan<int>>(0);
        auto h =
            go([](chan<int>* in) -> task<> { static_cast<void>(co_await in->recv()); }, c.get());
        co_await until_waiting(h.id());
        c.reset();
        CHECK(false);
      });
    });
    CHECK(end.aborted());
    CHECK(end.said("sluice: fatal: chan: last handle dropped while a routine waits on it"));
    CHECK(end.said("chan recv"));  // the dump says who
  }
}
