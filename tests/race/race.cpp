// SPDX-License-Identifier: MIT
// Programs for ThreadSanitizer: race CASE WORKERS. Two routines touch a plain int; the case says what
// stands between the two accesses. tests/race/CMakeLists.txt says which cases are to be reported.
#include <sluice/sluice.hpp>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

using sluice::chan;
using sluice::go;
using sluice::task;

int shared = 0;

/// Not inlined: a report names it.
[[gnu::noinline]] void touch() {
  ++shared;
}

task<> toucher() {
  touch();
  co_return;
}

task<> race_siblings() {
  auto a = go(toucher);
  auto b = go(toucher);
  co_await std::move(a);
  co_await std::move(b);
}

/// One has ended, and its record and its stack are used again, when the other begins.
task<> race_successors() {
  {
    auto unjoined = go(toucher);
  }
  for (int i = 0; i < 100; ++i)
    co_await sluice::yield();
  auto b = go(toucher);
  co_await std::move(b);
}

task<> race_parent() {
  auto a = go(toucher);
  co_await sluice::yield();
  touch();
  co_await std::move(a);
}

/// The one comes after the other for sure, and is not told so by anything that orders.
task<> race_later() {
  std::atomic<bool> touched = false;
  auto a = go(
      [](std::atomic<bool>* t) -> task<> {
        touch();
        t->store(true, std::memory_order_relaxed);  // relaxed: tells, and orders nothing
        co_return;
      },
      &touched);
  auto b = go(
      [](const std::atomic<bool>* t) -> task<> {
        while (!t->load(std::memory_order_relaxed))  // relaxed: as above
          co_await sluice::yield();
        touch();
      },
      &touched);
  co_await std::move(a);
  co_await std::move(b);
}

/// The receiver touches before it receives.
task<> race_before_receive() {
  chan<int> c(1);
  auto a = go(
      [](chan<int> to) -> task<> {
        touch();
        co_await to.send(1);
      },
      c);
  touch();
  co_await c.recv();
  co_await std::move(a);
}

task<> order_join() {
  auto a = go(toucher);
  co_await std::move(a);
  auto b = go(toucher);
  co_await std::move(b);
  touch();
}

/// A token goes round: whoever has it touches.
task<> order_channel(std::size_t capacity) {
  chan<int> there(capacity);
  chan<int> back(capacity);
  auto a = go(
      [](chan<int> from, chan<int> to) -> task<> {
        while (auto n = co_await from.recv()) {
          touch();
          co_await to.send(*n);
        }
      },
      there, back);
  for (int i = 0; i < 100; ++i) {
    touch();
    co_await there.send(i);
    co_await back.recv();
  }
  there.close();
  co_await std::move(a);
}
task<> order_rendezvous() {
  co_await order_channel(0);
}
task<> order_buffered() {
  co_await order_channel(1);
}

/// What came before close is seen by who finds the channel closed.
task<> order_close() {
  chan<int> c(0);
  auto a = go(
      [](chan<int> from) -> task<> {
        co_await from.recv();
        touch();
      },
      c);
  co_await sluice::yield();
  touch();
  c.close();
  co_await std::move(a);
}

/// Room in a buffer: the k-th receive comes before the (k + capacity)-th send is done.
task<> order_room() {
  chan<int> c(1);
  auto a = go(
      [](chan<int> to) -> task<> {
        co_await to.send(1);
        co_await to.send(2);
        touch();
      },
      c);
  co_await sluice::yield();
  touch();
  co_await c.recv();
  co_await std::move(a);
  co_await c.recv();
}

struct named {
  const char* name;
  task<> (*run)();
};
constexpr named cases[] = {
    {"race_siblings", race_siblings},
    {"race_successors", race_successors},
    {"race_parent", race_parent},
    {"race_later", race_later},
    {"race_before_receive", race_before_receive},
    {"order_join", order_join},
    {"order_rendezvous", order_rendezvous},
    {"order_buffered", order_buffered},
    {"order_close", order_close},
    {"order_room", order_room},
};

}  // namespace

int main(int argc, char** argv) {
  for (const named& c : cases) {
    if (argc != 3 || std::strcmp(c.name, argv[1]) != 0) continue;
    sluice::executor_options options;
    options.workers = std::atoi(argv[2]);
    sluice::run(options, c.run);
    std::printf("%s: shared == %d\n", c.name, shared);
    return 0;
  }
  std::fprintf(stderr, "usage: race CASE WORKERS\n");
  return 2;
}
