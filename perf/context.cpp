// SPDX-License-Identifier: MIT
// What does a context cost: to make and to cancel one, alone, under a parent that all share, beside many with
// deadlines, and as a tree; to ask whether one is cancelled; to look a value up; to bound an operation in time? The
// programs have the shape of those in Go's context/benchmark_test.go, less the idle arithmetic between their steps.
// An operation is one context, but for the trees, where it is a whole one.
#include <sluice/chan.hpp>
#include <sluice/context.hpp>
#include <sluice/go.hpp>
#include <sluice/runtime.hpp>

#include "harness/bench.hpp"

#include <chrono>
#include <vector>

namespace {

constexpr auto in_an_hour = std::chrono::hours(1);

struct number {
  std::uint64_t is = 0;
};
struct absent {
  int is = 0;
};

/// Runs work(n / workers) in that many routines. Returns when all have ended.
template <class F>
sluice::task<> in_parallel(int workers, std::uint64_t n, F work) {
  const auto routines = static_cast<std::uint64_t>(workers);
  std::vector<sluice::join_handle<>> handles(routines);
  for (auto& h : handles)
    h = sluice::go(work, n / routines);
  for (auto& h : handles)
    co_await std::move(h);
}

// ---- made and cancelled

sluice::task<> common_parent(perf::meter* m, int workers, std::uint64_t n) {
  const sluice::context values = sluice::context::background().with_value<number>(1u);
  const sluice::owned_context shared = values.with_cancel();
  const sluice::context* parent = &shared;
  const auto work = [parent](std::uint64_t share) -> sluice::task<> {
    for (std::uint64_t i = 0; i < share; ++i) {
      const sluice::owned_context c = parent->with_cancel();
      perf::keep(c.value<number>());
    }
    co_return;
  };
  m->start();
  co_await in_parallel(workers, n, work);
  m->stop();
}

sluice::task<> beside(perf::meter* m, int workers, std::uint64_t n, std::uint64_t others) {
  std::vector<std::vector<sluice::owned_context>> standing(static_cast<std::size_t>(workers));
  const std::uint64_t share_of_others = others / static_cast<std::uint64_t>(workers);
  std::vector<sluice::join_handle<>> handles(standing.size());
  for (std::size_t i = 0; i < standing.size(); ++i) {
    const auto make = [](std::vector<sluice::owned_context>* of,
                         std::uint64_t count) -> sluice::task<> {
      of->reserve(count);
      for (std::uint64_t j = 0; j < count; ++j)
        of->push_back(sluice::context::background().with_timeout(in_an_hour));
      co_return;
    };
    handles[i] = sluice::go(make, &standing[i], share_of_others);
  }
  for (auto& h : handles)
    co_await std::move(h);
  constexpr std::uint64_t at_a_time = 10;
  const auto work = [](std::uint64_t share) -> sluice::task<> {
    std::vector<sluice::owned_context> some;
    some.reserve(at_a_time);
    for (std::uint64_t i = 0; i < share; i += at_a_time) {
      for (std::uint64_t j = 0; j < at_a_time; ++j)
        some.push_back(sluice::context::background().with_timeout(in_an_hour));
      some.clear();
    }
    co_return;
  };
  m->start();
  co_await in_parallel(workers, n, work);
  m->stop();
}

/// A chain of contexts below `root`; `owners` keeps them.
void grow(const sluice::context& root, std::vector<sluice::owned_context>& owners,
          std::uint64_t depth) {
  const sluice::context* last = &root;
  for (std::uint64_t d = 0; d < depth; ++d) {
    owners.push_back(last->with_cancel());
    last = &owners.back();
  }
}

enum class root_is { open, cancelled };

sluice::task<> trees(perf::meter* m, std::uint64_t n, std::uint64_t depth, root_is state) {
  std::vector<sluice::owned_context> owners;
  owners.reserve(depth);
  m->start();
  for (std::uint64_t i = 0; i < n; ++i) {
    const sluice::owned_context root = sluice::context::background().with_cancel();
    if (state == root_is::cancelled) root.cancel();
    grow(root, owners, depth);
    root.cancel();
    owners.clear();
  }
  m->stop();
  co_return;
}

template <std::uint64_t depth, root_is state = root_is::open>
void tree(perf::meter& m, int workers, std::uint64_t n) {
  sluice::run({.workers = workers}, trees, &m, n, depth, state);
}

// ---- asked

sluice::task<> ask_for_error(perf::meter* m, std::uint64_t n, root_is state) {
  const sluice::owned_context c = sluice::context::background().with_cancel();
  if (state == root_is::cancelled) c.cancel();
  m->start();
  for (std::uint64_t i = 0; i < n; ++i)
    perf::keep(static_cast<bool>(c.err()));
  m->stop();
  co_return;
}

/// Without a wait: what Go asks a `select` with a default.
sluice::task<> ask_whether_done(perf::meter* m, int workers, std::uint64_t n) {
  const sluice::owned_context shared = sluice::context::background().with_cancel();
  const sluice::context* c = &shared;
  const auto work = [c](std::uint64_t share) -> sluice::task<> {
    for (std::uint64_t i = 0; i < share; ++i)
      perf::keep(static_cast<bool>(c->err()));
    co_return;
  };
  m->start();
  co_await in_parallel(workers, n, work);
  m->stop();
}

sluice::task<> wait_for_cancelled(perf::meter* m, std::uint64_t n) {
  const sluice::owned_context c = sluice::context::background().with_cancel();
  c.cancel();
  m->start();
  for (std::uint64_t i = 0; i < n; ++i)
    co_await c.done();
  m->stop();
}

sluice::task<> look_up(perf::meter* m, std::uint64_t n, std::uint64_t depth) {
  sluice::context c;
  for (std::uint64_t d = 0; d < depth; ++d)
    c = c.with_value<number>(d);
  m->start();
  for (std::uint64_t i = 0; i < n; ++i)
    perf::keep(c.value<absent>());
  m->stop();
  co_return;
}

// ---- an operation bounded in time

using channel = sluice::chan<std::uint64_t>;

/// The value is there.
sluice::task<> bound_ready(perf::meter* m, std::uint64_t n) {
  const channel c(1);
  std::uint64_t sum = 0;
  m->start();
  for (std::uint64_t i = 0; i < n; ++i) {
    c.try_send(std::uint64_t{i});
    const auto r = co_await sluice::with_timeout(in_an_hour, c.recv());
    sum += r->value();
  }
  m->stop();
  perf::keep(sum);
}

sluice::task<> answer(channel asked, channel answered) {
  while (auto v = co_await asked.recv())
    co_await answered.send(*v + 1);
}

/// The value comes when the other routine has been asked for it: a round trip, half of it bounded.
sluice::task<> bound_pending(perf::meter* m, std::uint64_t n) {
  const channel asked(0);
  const channel answered(0);
  auto other = sluice::go(answer, asked, answered);
  std::uint64_t sum = 0;
  m->start();
  for (std::uint64_t i = 0; i < n; ++i) {
    co_await asked.send(std::uint64_t{i});
    const auto r = co_await sluice::with_timeout(in_an_hour, answered.recv());
    sum += r->value();
  }
  m->stop();
  perf::keep(sum);
  asked.close();
  co_await std::move(other);
}

// ---- rows

const perf::registration common_parent_cancel{{
    .group = "context",
    .name = "common_parent_cancel",
    .run =
        [](perf::meter& m, int workers, std::uint64_t n) {
          sluice::run({.workers = workers}, common_parent, &m, workers, n);
        },
    .aims = {{1, 1}, {2, 1}},
}};

const perf::registration timeout_beside_40{{
    .group = "context",
    .name = "timeout_beside_40",
    .run =
        [](perf::meter& m, int workers, std::uint64_t n) {
          sluice::run({.workers = workers}, beside, &m, workers, n, std::uint64_t{40});
        },
    .aims = {{1, 1}, {2, 1}},
}};

const perf::registration timeout_beside_4e5{{
    .group = "context",
    .name = "timeout_beside_4e5",
    .run =
        [](perf::meter& m, int workers, std::uint64_t n) {
          sluice::run({.workers = workers}, beside, &m, workers, n, std::uint64_t{400'000});
        },
    .aims = {{1, 1}, {2, 1}},
}};

const perf::registration cancel_tree_1{{
    .group = "context",
    .name = "cancel_tree_1",
    .workers = {1},
    .run = tree<1>,
    .aims = {{1, 1}},
}};

const perf::registration cancel_tree_10{{
    .group = "context",
    .name = "cancel_tree_10",
    .workers = {1},
    .run = tree<10>,
    .aims = {{1, 1}},
}};

const perf::registration cancel_tree_100{{
    .group = "context",
    .name = "cancel_tree_100",
    .workers = {1},
    .run = tree<100>,
    .aims = {{1, 1}},
}};

const perf::registration cancel_tree_1000{{
    .group = "context",
    .name = "cancel_tree_1000",
    .workers = {1},
    .run = tree<1000>,
    .aims = {{1, 1}},
}};

const perf::registration cancelled_tree_10{{
    .group = "context",
    .name = "cancelled_tree_10",
    .workers = {1},
    .run = tree<10, root_is::cancelled>,
    .aims = {{1, 1}},
}};

const perf::registration err_open{{
    .group = "context",
    .name = "err_open",
    .workers = {1},
    .run =
        [](perf::meter& m, int workers, std::uint64_t n) {
          sluice::run({.workers = workers}, ask_for_error, &m, n, root_is::open);
        },
    .aims = {{1, 1}},
}};

const perf::registration err_cancelled{{
    .group = "context",
    .name = "err_cancelled",
    .workers = {1},
    .run =
        [](perf::meter& m, int workers, std::uint64_t n) {
          sluice::run({.workers = workers}, ask_for_error, &m, n, root_is::cancelled);
        },
    .aims = {{1, 1}},
}};

const perf::registration done_open{{
    .group = "context",
    .name = "done_open",
    .run =
        [](perf::meter& m, int workers, std::uint64_t n) {
          sluice::run({.workers = workers}, ask_whether_done, &m, workers, n);
        },
    .aims = {{1, 1}, {2, 1}},
}};

const perf::registration done_cancelled{{
    .group = "context",
    .name = "done_cancelled",
    .workers = {1},
    .run = [](perf::meter& m, int workers,
              std::uint64_t n) { sluice::run({.workers = workers}, wait_for_cancelled, &m, n); },
    .aims = {{1, 1}},
}};

const perf::registration deep_value_10{{
    .group = "context",
    .name = "deep_value_10",
    .workers = {1},
    .run =
        [](perf::meter& m, int workers, std::uint64_t n) {
          sluice::run({.workers = workers}, look_up, &m, n, std::uint64_t{10});
        },
    .aims = {{1, 1}},
}};

const perf::registration deep_value_100{{
    .group = "context",
    .name = "deep_value_100",
    .workers = {1},
    .run =
        [](perf::meter& m, int workers, std::uint64_t n) {
          sluice::run({.workers = workers}, look_up, &m, n, std::uint64_t{100});
        },
    .aims = {{1, 1}},
}};

const perf::registration with_timeout_ready{{
    .group = "context",
    .name = "with_timeout_ready",
    .run = [](perf::meter& m, int workers,
              std::uint64_t n) { sluice::run({.workers = workers}, bound_ready, &m, n); },
    .aims = {{1, 1}, {2, 1}},
}};

const perf::registration with_timeout_pending{{
    .group = "context",
    .name = "with_timeout_pending",
    .run = [](perf::meter& m, int workers,
              std::uint64_t n) { sluice::run({.workers = workers}, bound_pending, &m, n); },
    .aims = {{1, 1}, {2, 1}},
}};

}  // namespace
