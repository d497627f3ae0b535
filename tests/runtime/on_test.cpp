// SPDX-License-Identifier: MIT
// on: work that another executor does, under the caller's context, and its three ends.
#include <sluice/boundary.hpp>
#include <sluice/chan.hpp>
#include <sluice/context.hpp>
#include <sluice/error.hpp>
#include <sluice/on.hpp>
#include <sluice/routine.hpp>
#include <sluice/runtime.hpp>
#include <sluice/time.hpp>

#include "support/boundaries.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;
using namespace std::chrono_literals;

namespace {

constexpr executor_options one_worker{.workers = 1};

struct request_id {
  int number;
};

std::thread::id thread_of(executor& ex) {
  return ex.go([] { return std::this_thread::get_id(); }).get();
}

task<std::thread::id> where_it_runs() {
  co_await yield();
  co_return std::this_thread::get_id();
}
task<std::size_t> length_of(std::string_view text) {
  co_await yield();
  co_return text.size();
}
int sum_of(std::span<const int> numbers) {
  int sum = 0;
  for (const int n : numbers)
    sum += n;
  return sum;
}
task<> fail_with(std::string text) {
  co_await yield();
  throw std::runtime_error(text);
}
task<int> value_of_context() {
  co_await yield();
  const request_id* id = context::current().value<request_id>();
  co_return id != nullptr ? id->number : 0;
}
task<int> receive_whatever_comes(recv_chan<int> c, send_chan<int> begun) {
  static_cast<void>(co_await begun.send(0));
  const std::optional<int> v = co_await without_cancel(c.recv());
  co_return v.value_or(-1);
}

}  // namespace

TEST_SUITE_BEGIN("runtime/on");

TEST_CASE("on: runs there, and returns here") {
  executor here(one_worker);
  executor there(one_worker);
  const std::thread::id mine = thread_of(here);
  const std::thread::id other = thread_of(there);
  auto work = [&]() -> task<> {
    CHECK(co_await on(there, where_it_runs) == other);
    CHECK(std::this_thread::get_id() == mine);
    CHECK(co_await on(here, where_it_runs) == mine);
    CHECK(co_await on(there, [] { return std::this_thread::get_id(); }) == other);
  };
  here.go(work).get();
}

TEST_CASE("on: takes what the caller has, by reference too, and gives what f returns") {
  executor here(one_worker);
  executor there(one_worker);
  auto work = [&]() -> task<> {
    const std::string text = "nine char";
    const std::vector<int> numbers{1, 2, 3};
    int seen = 0;
    CHECK(co_await on(there, length_of, std::string_view(text)) == 9);
    CHECK(co_await on(there, sum_of, std::span<const int>(numbers)) == 6);
    auto note = [](int& out, std::unique_ptr<int> v) -> task<> {
      co_await yield();
      out = *v;
    };
    co_await on(there, note, std::ref(seen), std::make_unique<int>(7));
    CHECK(seen == 7);
    co_await on(there, [&seen] { seen = 8; });
    CHECK(seen == 8);
  };
  here.go(work).get();
}

TEST_CASE("on: an exception comes back") {
  executor here(one_worker);
  executor there(one_worker);
  auto work = [&]() -> task<> {
    CHECK_THROWS_WITH_AS(co_await on(there, fail_with, std::string("there")), "there",
                         std::runtime_error);
  };
  here.go(work).get();
}

TEST_CASE("on: the ambient context goes with it") {
  executor here(one_worker);
  executor there(one_worker);
  auto ask = [&]() -> task<int> { co_return co_await on(there, value_of_context); };
  auto work = [&]() -> task<> {
    const result<int> r = co_await with_context(context::current().with_value<request_id>(42), ask);
    CHECK(r.value() == 42);
  };
  here.go(work).get();
}

TEST_CASE("on: a deadline of the caller ends what waits there") {
  executor here(one_worker);
  executor there(one_worker);
  trace t;
  auto wait_there = [&]() -> task<> { co_await on(there, three_frames, &t); };
  auto work = [&]() -> task<> {
    const result<void> r = co_await with_timeout(1ms, wait_there);
    REQUIRE(!r);
    CHECK(r.error() == errc::deadline_exceeded);
    CHECK(t.unwound(3));
  };
  here.go(work).get();
}

TEST_CASE("on: a stop of the caller stops f, then the caller") {
  executor here(one_worker);
  executor there(one_worker);
  trace t;
  chan<int> begun(1);
  bool went_on = false;
  auto first = [&]() -> task<> {
    static_cast<void>(co_await begun.send(1));
    co_await three_frames(&t);
  };
  auto work = [&]() -> task<> {
    co_await on(there, first);
    went_on = true;
  };
  auto h = here.go(work);
  here.go([](recv_chan<int> c) -> task<> { static_cast<void>(co_await c.recv()); }, begun).get();
  h.cancel();
  CHECK_THROWS_AS(std::move(h).get(), stopped_error);
  CHECK(t.unwound(3));
  CHECK(!went_on);
}

TEST_CASE("on: who is to stop begins nothing elsewhere") {
  executor here(one_worker);
  executor there(one_worker);
  bool begun = false;
  auto work = [&]() -> task<> {
    const owned_context ended = context::current().with_cancel();
    ended.cancel();
    auto ask = [&]() -> task<> { co_await on(there, [&begun] { begun = true; }); };
    CHECK(!co_await with_context(ended, ask));
  };
  here.go(work).get();
  CHECK(!begun);
}

TEST_CASE("on: a result that is there wins over a stop") {
  executor here(one_worker);
  executor there(one_worker);
  chan<int> begun(0);
  chan<int> values(0);
  int got = 0;
  bool went_on = false;
  auto work = [&]() -> task<> {
    got = co_await on(there, receive_whatever_comes, values, begun);
    co_await yield();
    went_on = true;
  };
  auto h = here.go(work);
  auto feed = [&]() -> task<> {
    static_cast<void>(co_await begun.recv());
    h.cancel();
    static_cast<void>(co_await values.send(5));
  };
  here.go(feed).get();
  CHECK_THROWS_AS(std::move(h).get(), stopped_error);
  CHECK(got == 5);
  CHECK(!went_on);
}

TEST_CASE("on: of an executor that is shut down, whoever waits hears of it") {
  executor here(one_worker);
  executor there(one_worker);
  trace t;
  chan<int> begun(1);
  auto first = [&]() -> task<> {
    static_cast<void>(co_await begun.send(1));
    co_await three_frames(&t);
  };
  auto work = [&]() -> task<> { CHECK_THROWS_AS(co_await on(there, first), stopped_error); };
  auto h = here.go(work);
  here.go([](recv_chan<int> c) -> task<> { static_cast<void>(co_await c.recv()); }, begun).get();
  CHECK(there.shutdown(1min).empty());
  std::move(h).get();
  CHECK(t.unwound(3));
}

TEST_CASE("on: an executor that is shut down takes nothing") {
  executor here(one_worker);
  executor there(one_worker);
  CHECK(there.shutdown(1min).empty());
  auto work = [&]() -> task<> {
    CHECK_THROWS_AS(co_await on(there, where_it_runs), stopped_error);
  };
  here.go(work).get();
  CHECK_THROWS_AS(there.go(where_it_runs), stopped_error);
}

TEST_CASE("on: from many routines to and fro") {
  constexpr int routines = 200;
  constexpr int rounds = 20;
  executor here({.workers = 2});
  executor there({.workers = 2});
  std::atomic<int> done{0};
  auto back = [&](int i) -> task<int> {
    co_await yield();
    co_return i + 1;
  };
  auto forth = [&](int i) -> task<int> {
    const int v = co_await on(here, back, i);
    co_return v + 1;
  };
  auto work = [&]() -> task<> {
    int v = 0;
    for (int i = 0; i < rounds; ++i)
      v = co_await on(there, forth, v);
    done += v;
  };
  std::vector<join_handle<>> all;
  for (int i = 0; i < routines; ++i)
    all.push_back(here.go(work));
  for (auto& h : all)
    std::move(h).get();
  CHECK(done == routines * rounds * 2);
}

TEST_SUITE_END();
