// SPDX-License-Identifier: MIT
// Unwinding a stopped await chain: order, depth, and what stands around the await. Each pattern is
// one that g++ 12 compiles right.
#include <sluice/chan.hpp>
#include <sluice/detail/coro/frame_alloc.hpp>
#include <sluice/go.hpp>
#include <sluice/routine.hpp>
#include <sluice/task.hpp>

#include "support/everywhere.hpp"
#include "support/unwinding.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;

namespace {

using source = recv_chan<counted>;

/// Waits for one value; 0 when the channel is closed.
task<counted> next(source in) {
  std::optional<counted> v = co_await in.recv();
  if (!v) co_return counted(0);
  co_return std::move(*v);
}
task<int> next_int(source in) {
  counted held(1);
  const counted v = co_await next(in);
  co_return v.value();
}
task<std::pair<counted, counted>> next_pair(source in) {
  counted first = co_await next(in);
  counted second = co_await next(in);
  co_return std::pair<counted, counted>(std::move(first), std::move(second));
}
task<std::vector<counted>> next_list(source in) {
  std::vector<counted> all;
  for (int i = 0; i < 3; ++i)
    all.push_back(co_await next(in));
  co_return all;
}
task<counted> add(counted a, counted b) {
  co_return counted(a.value() + b.value());
}
counted plus(const counted& a, const counted& b) {
  return counted(a.value() + b.value());
}

// Each takes 1, 2, 3, ... from the channel and returns a sum, unless it is stopped on the way.

task<int> in_a_loop(source in) {
  int sum = 0;
  for (int i = 0; i < 6; ++i) {
    counted before(i);
    sum += (co_await next(in)).value();
    counted after(i);
  }
  co_return sum;
}
task<int> in_a_condition(source in) {
  int sum = 0;
  while (auto v = co_await in.recv()) {
    counted held(1);
    sum += v->value();
    if (const int more = co_await next_int(in); more > 3) sum += more;
    if (sum > 10) break;
  }
  co_return sum;
}
task<int> with_temporaries(source in) {
  int sum = 0;
  sum += plus(co_await next(in), counted(1)).value();
  sum += (co_await add(co_await next(in), counted(2))).value();
  sum += (co_await add(counted(3), co_await next(in))).value();
  co_return sum;
}
task<int> in_a_try_block(source in) {
  int sum = 0;
  try {
    counted guard(1);
    sum += co_await next_int(in);
    try {
      counted inner(2);
      sum += co_await next_int(in);
    } catch (const std::exception&) {
      sum = -1000;
    }
    sum += co_await next_int(in);
  } catch (...) {
    sum = -1000;
  }
  co_return sum;
}
task<int> behind_a_catch(source in) {
  int sum = 0;
  bool failed = false;
  try {
    counted guard(1);
    const counted first = co_await next(in);
    throw first;  // `throw co_await ...` is destroyed twice by g++ 12
  } catch (const counted& thrown) {
    failed = thrown.value() == 1;
  }
  if (failed) sum += 1 + co_await next_int(in);
  co_return sum;
}
task<int> by_structured_binding(source in) {
  auto [a, b] = co_await next_pair(in);
  counted held(1);
  auto&& [c, d] = co_await next_pair(in);
  co_return a.value() + b.value() + c.value() + d.value();
}
task<int> over_a_range(source in) {
  int sum = 0;
  for (const counted& v : co_await next_list(in)) {
    counted held(1);
    sum += v.value() + co_await next_int(in);
  }
  co_return sum;
}
task<int> in_a_switch(source in) {
  counted held(1);
  switch (co_await next_int(in)) {
    case 1: {
      counted in_case(2);
      co_return 1 + co_await next_int(in);
    }
    default:
      break;
  }
  co_return 0;
}
task<int> of_a_lambda(source in) {
  counted captured(1);
  auto body = [captured](source from) -> task<int> {
    const int one = co_await next_int(from);
    co_return one + captured.value() + co_await next_int(from);
  };
  const int sum = co_await body(in);
  co_return sum;
}
task<int> of_a_template(auto in) {
  auto held = std::make_unique<counted>(1);
  const auto one = co_await next(in);
  const auto two = co_await next(in);
  co_return one.value() + two.value() + held->value();
}
task<int> as_argument(source in) {
  const std::string text = std::to_string(co_await next_int(in)) + "0";
  counted held(1);
  co_return std::stoi(text) + co_await next_int(in);
}
struct adder {
  counted base{1};
  task<int> run(source in) {
    counted local(2);
    const int one = co_await next_int(in);
    co_return base.value() + one + co_await next_int(in);
  }
};
task<int> of_a_member(source in) {
  adder a;
  const int sum = co_await a.run(in);
  co_return sum;
}
task<int> in_the_return(source in) {
  counted held(1);
  const int one = co_await next_int(in);
  co_return one + co_await next_int(in);
}
task<const counted*> pointer_to(counted* held, source in) {
  static_cast<void>(co_await next(in));
  co_return held;
}
task<int> through_a_pointer(source in) {
  counted held(5);
  const int five = (co_await pointer_to(&held, in))->value();
  co_return five + co_await next_int(in);
}

struct pattern {
  const char* name;
  task<int> (*run)(source);
  int takes;  // values
  int sum;
};

constexpr pattern patterns[] = {
    {"in a loop", in_a_loop, 6, 21},
    {"in a condition", in_a_condition, 6, 19},
    {"with temporaries", with_temporaries, 3, 12},
    {"in a try block", in_a_try_block, 3, 6},
    {"behind a catch", behind_a_catch, 2, 3},
    {"by structured binding", by_structured_binding, 4, 10},
    {"over a range", over_a_range, 6, 21},
    {"in a switch", in_a_switch, 2, 3},
    {"of a lambda", of_a_lambda, 2, 4},
    {"of a template", of_a_template<source>, 2, 4},
    {"as an argument", as_argument, 2, 12},
    {"of a member", of_a_member, 2, 4},
    {"in the return", in_the_return, 2, 3},
    {"through a pointer", through_a_pointer, 2, 7},
};

/// Gives the pattern `served` values, buffered before it starts or handed over while it waits, and,
/// if that is not all, stops it.
task<> try_pattern(pattern p, int served, bool buffered) {
  chan<counted> c(buffered ? 16 : 0);
  if (buffered) {
    for (int i = 1; i <= served; ++i)
      c.try_send(counted(i));
  }
  auto h = go(p.run, source(c));
  for (int i = 1; i <= served && !buffered; ++i) {
    const bool sent = co_await c.emplace(i);
    CHECK(sent);
  }
  if (served == p.takes) {
    const int sum = co_await std::move(h);
    CHECK(sum == p.sum);
    co_return;
  }
  co_await until_waiting(h.id());
  h.cancel();
  const bool stopped = co_await ends_stopped(std::move(h));
  CHECK(stopped);
}

task<> descend(int depth, chan<int> in, stack_range* stack, int* frames) {
  struct on_exit {
    stack_range* stack;
    int* frames;
    on_exit(stack_range* s, int* f) : stack(s), frames(f) { ++*frames; }
    ~on_exit() {
      stack->note();
      --*frames;
    }
  } guard(stack, frames);
  if (depth == 0) {
    static_cast<void>(co_await in.recv());
  } else {
    co_await descend(depth - 1, in, stack, frames);
  }
}

}  // namespace

TEST_SUITE("coro/unwind") {
  TEST_CASE("unwind: wherever the await stands, each value is destroyed once") {
    for (const pattern& p : patterns) {
      CAPTURE(p.name);
      for (int served = 0; served <= p.takes; ++served) {
        CAPTURE(served);
        counted::reset();
        for (const bool buffered : {false, true}) {
          everywhere(
              [p, served, buffered]() -> task<> { co_await try_pattern(p, served, buffered); });
        }
        CHECK(counted::broken.load() == 0);
        CHECK(counted::live() == 0);
      }
    }
  }

  TEST_CASE("unwind: a chain of 10^5 frames in constant stack") {
    static constexpr int depth = 100'000;
    everywhere([]() -> task<> {
      chan<int> c(0);
      auto stack = std::make_unique<stack_range>();
      auto frames = std::make_unique<int>(0);
      auto h = go(descend, depth, c, stack.get(), frames.get());
      co_await until_waiting(h.id());
      CHECK(*frames == depth + 1);
      h.cancel();
      const bool stopped = co_await ends_stopped(std::move(h));
      CHECK(stopped);
      CHECK(*frames == 0);
      CHECK(stack->bytes() < 4096);
    });
  }

  TEST_CASE("unwind: what a destructor does works as anywhere: go, try_send, exceptions inside") {
    everywhere([]() -> task<> {
      chan<int> c(0);
      chan<std::uint64_t> out(4);
      struct farewell {
        chan<std::uint64_t> out;
        explicit farewell(chan<std::uint64_t> o) : out(std::move(o)) {}
        ~farewell() {
          out.try_send(this_routine::id());
          try {
            throw std::string("inside");
          } catch (const std::string& s) {
            out.try_send(s.size());
          }
          go([](chan<std::uint64_t> o) -> task<> { static_cast<void>(co_await o.emplace(99u)); },
             out);
        }
      };
      auto h = go(
          [](chan<int> in, chan<std::uint64_t> o) -> task<> {
            farewell f(o);
            static_cast<void>(co_await in.recv());
          },
          c, out);
      const std::uint64_t id = h.id();
      co_await until_waiting(id);
      h.cancel();
      const bool stopped = co_await ends_stopped(std::move(h));
      CHECK(stopped);
      const auto who = co_await out.recv();
      const auto size = co_await out.recv();
      const auto from_routine = co_await out.recv();
      CHECK(who.value_or(0) == id);
      CHECK(size.value_or(0) == 6);
      CHECK(from_routine.value_or(0) == 99);
    });
  }

  TEST_CASE("unwind: frames go back to the pool") {
    const auto live = [] { return detail::frame_pool_stats().live_frames; };
    const std::size_t before = live();
    everywhere([]() -> task<> {
      chan<int> c(0);
      auto stack = std::make_unique<stack_range>();
      auto frames = std::make_unique<int>(0);
      auto h = go(descend, 1000, c, stack.get(), frames.get());
      co_await until_waiting(h.id());
      h.cancel();
      const bool stopped = co_await ends_stopped(std::move(h));
      CHECK(stopped);
    });
    CHECK(live() == before);
  }
}
