// SPDX-License-Identifier: MIT
// go: what it starts, and what becomes of callable and arguments.
#include <sluice/chan.hpp>
#include <sluice/detail/coro/frame_alloc.hpp>
#include <sluice/error.hpp>
#include <sluice/go.hpp>
#include <sluice/routine.hpp>

#include "support/counted.hpp"
#include "support/everywhere.hpp"
#include "support/unwinding.hpp"

#include <memory>
#include <set>
#include <source_location>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;

namespace {

task<int> free_function(int a, int b) {
  co_await yield();
  co_return a * 10 + b;
}

task<std::size_t> keeps_a_reference(const std::string& text, const std::vector<int>& list) {
  for (int i = 0; i < 3; ++i)
    co_await yield();
  co_return text.size() + list.size();
}

struct view_of_counted {
  view_of_counted(const counted& c) : of(&c) {}
  const counted* of;
};
task<int> keeps_a_view(view_of_counted v) {
  co_await yield();
  co_return counted::live() > 0 ? v.of->value() : -1;
}
task<std::size_t> keeps_views(std::string_view text, std::span<const int> list) {
  co_await yield();
  co_return text.size() + list.size() + static_cast<std::size_t>(text.back() + list.back());
}

task<int> takes_an_rvalue(std::unique_ptr<int>&& p) {
  co_await yield();
  co_return *p;
}

struct greeter {
  std::string word;
  task<std::string> greet(std::string name, int times) const {
    co_await yield();
    std::string text;
    for (int i = 0; i < times; ++i)
      text += word + name;
    co_return text;
  }
  task<> set(std::string next) {
    co_await yield();
    word = std::move(next);
  }
  int plain(int x) const { return x + static_cast<int>(word.size()); }
};

task<int> sum8(int a, int b, int c, int d, int e, int f, int g, int h) {
  co_await yield();
  co_return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h;
}

struct throws_on_copy {
  explicit throws_on_copy(int v) noexcept : value(v) {}
  throws_on_copy(const throws_on_copy&) : value(0) { throw std::runtime_error("copy"); }
  throws_on_copy(throws_on_copy&&) noexcept = default;
  int value;
};

routine_info info_of(std::uint64_t id) {
  for (const routine_info& r : routines()) {
    if (r.id == id) return r;
  }
  return {};
}

}  // namespace

TEST_SUITE("sched/go") {
  TEST_CASE("go: a function with arguments") {
    everywhere([]() -> task<> {
      auto h = go(free_function, 4, 2);
      const int v = co_await std::move(h);
      CHECK(v == 42);
      auto pointer = &free_function;
      auto h2 = go(pointer, 1, 1);
      const int w = co_await std::move(h2);
      CHECK(w == 11);
    });
  }

  TEST_CASE("go: a lambda whose captures are gone where it was started") {
    counted::reset();
    everywhere([]() -> task<> {
      std::vector<join_handle<int>> all;
      for (int i = 0; i < 4; ++i) {
        counted c(i);
        auto text = std::make_unique<std::string>(100, 'x');
        all.push_back(go([c, text = std::move(text)]() -> task<int> {
          co_await yield();
          co_await yield();
          co_return c.value() + static_cast<int>(text->size());
        }));
      }
      for (int i = 0; i < 4; ++i) {
        const int v = co_await std::move(all[static_cast<std::size_t>(i)]);
        CHECK(v == 100 + i);
      }
      CHECK(counted::live() == 0);
    });
    CHECK(counted::balanced());
  }

  TEST_CASE("go: a mutable lambda and a function object are kept, not the caller's") {
    everywhere([]() -> task<> {
      int mine = 1;
      auto h = go([mine]() mutable -> task<int> {
        ++mine;
        co_await yield();
        co_return ++mine;
      });
      const int v = co_await std::move(h);
      CHECK(v == 3);
      CHECK(mine == 1);
    });
  }

  TEST_CASE("go: member functions, by value, by pointer, by shared pointer") {
    everywhere([]() -> task<> {
      greeter g{"hello "};
      auto by_value = go(&greeter::greet, g, "you", 2);
      g.word = "changed";
      const std::string first = co_await std::move(by_value);
      CHECK(first == "hello youhello you");
      auto by_pointer = go(&greeter::set, &g, "set");
      co_await std::move(by_pointer);
      CHECK(g.word == "set");
      auto by_shared = go(&greeter::greet, std::make_shared<greeter>(greeter{"hi "}), "all", 1);
      const std::string third = co_await std::move(by_shared);
      CHECK(third == "hi all");
      auto plain = go(&greeter::plain, &g, 4);
      const int seven = co_await std::move(plain);
      CHECK(seven == 7);
    });
  }

  TEST_CASE("go: plain callables are routines too") {
    everywhere([]() -> task<> {
      auto h =
          go([](int a, std::unique_ptr<int> b) { return a + *b; }, 1, std::make_unique<int>(2));
      const int three = co_await std::move(h);
      CHECK(three == 3);
      int ran = 0;
      auto nothing = go([&ran] { ++ran; });
      co_await std::move(nothing);
      CHECK(ran == 1);
      auto failing = go([]() -> int { throw std::runtime_error("plain"); });
      std::string what;
      try {
        static_cast<void>(co_await std::move(failing));
      } catch (const std::runtime_error& e) {
        what = e.what();
      }
      CHECK(what == "plain");
    });
  }

  TEST_CASE("go: temporaries for const T& parameters are kept as long as the routine") {
    everywhere([]() -> task<> {
      auto h = go(keeps_a_reference, std::string(1000, 'a'), std::vector<int>(7));
      auto literal = go(keeps_a_reference, std::string("abc"), std::vector<int>());
      const std::size_t n = co_await std::move(h);
      CHECK(n == 1007);
      const std::size_t three = co_await std::move(literal);
      CHECK(three == 3);
    });
  }

  TEST_CASE("go: what a parameter is a view of lives as long as the routine") {
    everywhere([]() -> task<> {
      CHECK(co_await go(keeps_a_view, counted(7)) == 7);
      CHECK(co_await go([](view_of_counted v) { return keeps_a_view(v); }, counted(8)) == 8);
      const std::string text(100, 'a');
      const std::vector<int> list(100, 1);
      CHECK(co_await go(keeps_views, text, list) == 200 + 'a' + 1);
    });
    CHECK(counted::balanced());
  }

  TEST_CASE("go: an lvalue argument is copied: the caller's may change and go") {
    counted::reset();
    everywhere([]() -> task<> {
      auto text = std::make_unique<std::string>("before");
      auto h = go(
          [](const std::string& s, counted c) -> task<std::string> {
            co_await yield();
            CHECK(c.value() == 1);
            co_return s;
          },
          *text, counted(1));
      *text = "after";
      text.reset();
      const std::string got = co_await std::move(h);
      CHECK(got == "before");
    });
    CHECK(counted::balanced());
  }

  TEST_CASE("go: move-only arguments, by value and by rvalue reference") {
    everywhere([]() -> task<> {
      auto h = go(takes_an_rvalue, std::make_unique<int>(5));
      const int five = co_await std::move(h);
      CHECK(five == 5);
      auto h2 =
          go([](std::unique_ptr<int> p) -> task<int> { co_return *p; }, std::make_unique<int>(6));
      const int six = co_await std::move(h2);
      CHECK(six == 6);
    });
  }

  TEST_CASE("go: eight arguments, in their order") {
    everywhere([]() -> task<> {
      auto h = go(sum8, 1, 2, 3, 4, 5, 6, 7, 8);
      const int v = co_await std::move(h);
      CHECK(v == 1 + 4 + 9 + 16 + 25 + 36 + 49 + 64);
    });
  }

  TEST_CASE("go: unsafe_ref passes the caller's own object") {
    everywhere([]() -> task<> {
      int target = 1;
      auto h = go(
          [](int& x) -> task<> {
            co_await yield();
            x = 2;
          },
          unsafe_ref(target));
      co_await std::move(h);
      CHECK(target == 2);
    });
  }

  TEST_CASE("go: an argument whose copy throws starts nothing and leaks nothing") {
    const std::size_t before = detail::frame_pool_stats().live_frames;
    everywhere([]() -> task<> {
      const throws_on_copy bad(1);
      int thrown = 0;
      try {
        static_cast<void>(go([](throws_on_copy t) -> task<int> { co_return t.value; }, bad));
      } catch (const std::runtime_error&) {
        ++thrown;
      }
      int captured = 3;
      try {
        static_cast<void>(
            go([captured](throws_on_copy t) -> task<int> { co_return t.value + captured; }, bad));
      } catch (const std::runtime_error&) {
        ++thrown;
      }
      CHECK(thrown == 2);
      co_return;
    });
    CHECK(detail::frame_pool_stats().live_frames == before);
  }

  TEST_CASE("go: a routine whose handle is dropped goes on, as in Go") {
    everywhere([]() -> task<> {
      chan<int> out(1);
      go(
          [](chan<int> c) -> task<> {
            for (int i = 0; i < 5; ++i)
              co_await yield();
            static_cast<void>(co_await c.send(3));
          },
          out);
      const int three = (co_await out.recv()).value_or(0);
      CHECK(three == 3);
    });
  }

  TEST_CASE("go: the spawn site is the line of the call") {
    everywhere([]() -> task<> {
      chan<int> c(0);
      const std::source_location here = std::source_location::current();
      auto h = go([](chan<int> in) -> task<> { static_cast<void>(co_await in.recv()); }, c);
      co_await until_waiting(h.id());
      const routine_info info = info_of(h.id());
      CHECK(info.spawned.line() == here.line() + 1);
      CHECK(std::string(info.spawned.file_name()) == here.file_name());
      c.close();
      co_await std::move(h);
    });
  }

  TEST_CASE("go: numbers are unique, from 1, and known inside") {
    static std::set<std::uint64_t> seen;
    everywhere([]() -> task<> {
      CHECK(seen.insert(this_routine::id()).second);
      for (int i = 0; i < 50; ++i) {
        auto h = go([]() -> task<std::uint64_t> {
          const std::uint64_t before = this_routine::id();
          co_await yield();
          CHECK(this_routine::id() == before);
          co_return before;
        });
        const std::uint64_t id = h.id();
        const std::uint64_t inside = co_await std::move(h);
        CHECK(id == inside);
        CHECK(seen.insert(id).second);
      }
    });
    CHECK(seen.count(0) == 0);
    CHECK(this_routine::id() == 0);
  }

  TEST_CASE("go: a name is copied, can be replaced, and goes with the routine") {
    everywhere([]() -> task<> {
      chan<int> c(0);
      auto h = go(
          [](chan<int> in) -> task<std::string> {
            CHECK(this_routine::name().empty());
            std::string name = "first";
            this_routine::set_name(name);
            name = "xxxxx";
            co_await yield();
            CHECK(this_routine::name() == "first");
            this_routine::set_name("second");
            static_cast<void>(co_await in.recv());
            co_return std::string(this_routine::name());
          },
          c);
      co_await until_waiting(h.id());
      CHECK(info_of(h.id()).name == "second");
      c.close();
      const std::string last = co_await std::move(h);
      CHECK(last == "second");
    });
    CHECK(this_routine::name().empty());
    this_routine::set_name("nobody");
    CHECK(this_routine::name().empty());
  }

  TEST_CASE("go: outside a routine it panics and frees what it was given") {
    counted::reset();
    std::string text;
    try {
      go([](counted c) -> task<int> { co_return c.value(); }, counted(1));
    } catch (const panic_error& e) {
      text = e.what();
    }
    CHECK(text == "go: called outside a routine; use executor::go");
    CHECK(counted::balanced());
  }
}
