// SPDX-License-Identifier: MIT
// leaks: what is certain, what is suspected, and what is neither.
#include <sluice/chan.hpp>
#include <sluice/go.hpp>
#include <sluice/leaks.hpp>
#include <sluice/routine.hpp>
#include <sluice/time.hpp>

#include "support/everywhere.hpp"
#include "support/unwinding.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;

namespace {

task<> recv_from(chan<int> in) {
  static_cast<void>(co_await in.recv());
}

task<> join_what_comes(chan<join_handle<>> in) {
  auto h = co_await in.recv();
  co_await std::move(*h);
}

std::vector<std::uint64_t> ids_of(const leak& l) {
  std::vector<std::uint64_t> ids;
  for (const routine_info& r : l.routines)
    ids.push_back(r.id);
  return ids;
}

/// What is certain, once that many are.
task<std::vector<leak>> found_in(std::size_t n) {
  for (;;) {
    auto found = leaks(std::chrono::hours(1));
    if (found.size() == n) co_return found;
    co_await yield();
  }
}

task<> until_gone(std::uint64_t id) {
  for (bool there = true; there; co_await yield()) {
    there = false;
    for (const routine_info& r : routines())
      there |= r.id == id && r.state != routine_state::done;
  }
}

bool says(const std::vector<leak>& all, const char* words) {
  return to_string(all).find(words) != std::string::npos;
}

}  // namespace

TEST_SUITE("runtime/leaks") {
  TEST_CASE("leaks: who waits on a nil channel is certain at once, and so is who joins it") {
    on_executors([]() -> task<> {
      auto nil = go(recv_from, chan<int>());
      const std::uint64_t nil_id = nil.id();
      const chan<join_handle<>> to(1);
      co_await to.send(std::move(nil));
      auto joiner = go(join_what_comes, to);
      const auto found = co_await found_in(2);
      CHECK(found[0].kind == leak_kind::nil_channel);
      CHECK(ids_of(found[0]) == std::vector{nil_id});
      CHECK(found[1].kind == leak_kind::joins_leaked);
      CHECK(ids_of(found[1]) == std::vector{joiner.id()});
      CHECK(is_certain(found[0].kind));
      CHECK(is_certain(found[1].kind));
      CHECK(says(found, "leak: waits on a nil channel: 1 started at "));
      CHECK(says(found, "leak: joins a routine that never ends: 1 started at "));
      joiner.cancel();
      co_await until_gone(joiner.id());
      const auto left = co_await found_in(1);
      CHECK(left[0].kind == leak_kind::nil_channel);
    });
  }

  TEST_CASE("leaks: routines that join each other are certain, in the order of their joins") {
    on_executors([]() -> task<> {
      std::vector<chan<join_handle<>>> to;
      std::vector<join_handle<>> handles;
      std::vector<std::uint64_t> ids;
      for (int i = 0; i < 3; ++i) {
        to.emplace_back(1);
        handles.push_back(go(join_what_comes, to.back()));
        ids.push_back(handles.back().id());
      }
      for (std::size_t i = 0; i < 3; ++i)
        co_await to[i].send(std::move(handles[(i + 1) % 3]));
      const auto found = co_await found_in(1);
      CHECK(found[0].kind == leak_kind::join_cycle);
      CHECK(ids_of(found[0]) == ids);
      CHECK(says(found, "leak: join each other: 3 started at "));
    });
  }

  TEST_CASE("leaks: long waits for other routines are suspected, by spawn site, the most first") {
    in_bubbles([]() -> task<> {
      const chan<int> c(0);
      std::vector<join_handle<>> all;
      all.push_back(go(recv_from, c));
      for (int i = 0; i < 3; ++i)
        all.push_back(go(recv_from, c));
      auto sleeper = go([]() -> task<> { co_await sleep_for(std::chrono::hours(1)); });
      co_await sleep_for(std::chrono::seconds(60));
      CHECK(leaks().empty());
      CHECK(leaks(std::chrono::seconds(59)).size() == 2);
      co_await sleep_for(std::chrono::seconds(1));
      const auto found = leaks();
      CHECK(found.size() == 2);
      if (found.size() == 2) {
        CHECK(found[0].kind == leak_kind::long_wait);
        CHECK_FALSE(is_certain(found[0].kind));
        CHECK(ids_of(found[0]) == std::vector{all[1].id(), all[2].id(), all[3].id()});
        CHECK(ids_of(found[1]) == std::vector{all[0].id()});
        CHECK(found[0].spawned.line() == found[1].spawned.line() + 2);
      }
      CHECK(says(found, "suspected leak: waits for long: 3 started at "));
      c.close();
      for (auto& h : all)
        co_await std::move(h);
      co_await std::move(sleeper);
    });
  }

  TEST_CASE("leaks: a join of one that can go on is none, nor is one that was asked to stop") {
    in_bubbles([]() -> task<> {
      auto nil = go(recv_from, chan<int>());
      const chan<int> c(0);
      const chan<join_handle<>> to(1);
      auto joiner = go(join_what_comes, to);
      co_await to.send(go(recv_from, c));
      co_await until_waiting(nil.id());
      co_await until_waiting(joiner.id());
      nil.cancel();
      CHECK(leaks().empty());
      const bool stopped = co_await ends_stopped(std::move(nil));
      CHECK(stopped);
      c.close();
      co_await std::move(joiner);
    });
  }
}
