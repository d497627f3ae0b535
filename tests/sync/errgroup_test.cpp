// SPDX-License-Identifier: MIT
// errgroup: whichever way the body and the routines end, all have ended when run() returns.
#include <sluice/chan.hpp>
#include <sluice/errgroup.hpp>
#include <sluice/time.hpp>

#include "support/everywhere.hpp"
#include "support/unwinding.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;
using namespace std::chrono_literals;

namespace {

class counts {
 public:
  explicit counts(std::atomic<int>* n) noexcept : n_(n) { ++*n_; }
  counts(const counts&) = delete;
  counts& operator=(const counts&) = delete;
  ~counts() { --*n_; }

 private:
  std::atomic<int>* n_;
};

task<> wait_for_ever(std::atomic<int>* alive) {
  const counts c(alive);
  chan<int> nothing(0);
  static_cast<void>(co_await nothing.recv());
}
task<> add_later(std::atomic<int>* sum, int n) {
  co_await yield();
  *sum += n;
}
task<> throw_later(const char* text) {
  co_await yield();
  throw std::runtime_error(text);
}
task<> throw_after(duration d, const char* text) {
  co_await sleep_for(d);
  throw std::runtime_error(text);
}
task<result<void>> fail_after(duration d, std::errc e) {
  co_await sleep_for(d);
  co_return error(std::make_error_code(e), "try");
}
task<std::error_code> code_after(duration d, std::errc e) {
  co_await sleep_for(d);
  co_return std::make_error_code(e);
}
task<std::string> what_of(task<result<void>> (*f)()) {
  std::string text = "returned";
  try {
    result<void> r = co_await f();
    if (!r) text = r.error().message();
  } catch (const std::exception& e) {
    text = e.what();
  }
  co_return text;
}

}  // namespace

TEST_CASE("errgroup: waits for all that it has started") {
  everywhere([]() -> task<> {
    std::atomic<int> sum{0};
    auto body = [&sum](errgroup& g) -> task<> {
      for (int i = 1; i <= 100; ++i)
        g.go(add_later, &sum, i);
      co_return;
    };
    result<void> r = co_await errgroup::run(body);
    CHECK(r);
    CHECK(sum == 5050);
  });
}

TEST_CASE("errgroup: without routines it returns when the body does") {
  everywhere(
      []() -> task<> { CHECK(co_await errgroup::run([](errgroup&) -> task<> { co_return; })); });
}

TEST_CASE("errgroup: routines may start others, and borrow what the body's caller has") {
  everywhere([]() -> task<> {
    std::atomic<int> sum{0};
    std::vector<int> numbers{1, 2, 3};
    const std::string text = "four";
    auto body = [&](errgroup& g) -> task<> {
      g.go(
          [](std::span<const int> n, std::atomic<int>* s) -> task<> {
            co_await yield();
            for (const int i : n)
              *s += i;
          },
          std::span<const int>(numbers), &sum);
      g.go([](std::string_view t, std::atomic<int>* s) { *s += static_cast<int>(t.size()); },
           std::string_view(text), &sum);
      g.go(
          [](errgroup& inner, std::atomic<int>* s) -> task<> {
            inner.go(add_later, s, 10);
            co_return;
          },
          std::ref(g), &sum);
      co_return;
    };
    CHECK(co_await errgroup::run(body));
    CHECK(sum == 20);
  });
}

TEST_CASE("errgroup: the first error is returned, and cancels the others") {
  in_bubbles([]() -> task<> {
    const auto began = clock::now();
    std::atomic<int> alive{0};
    auto body = [&alive](errgroup& g) -> task<> {
      g.go(fail_after, 2s, std::errc::io_error);
      g.go(fail_after, 1s, std::errc::no_such_process);
      g.go(wait_for_ever, &alive);
      co_return;
    };
    result<void> r = co_await errgroup::run(body);
    CHECK(!r);
    CHECK(r.error() == std::make_error_code(std::errc::no_such_process));
    CHECK(alive == 0);
    CHECK(clock::now() == began + 1s);
  });
}

TEST_CASE("errgroup: a std::error_code that is set is an error, one that is not is none") {
  in_bubbles([]() -> task<> {
    auto body = [](errgroup& g) -> task<> {
      g.go(code_after, 1s, std::errc{});
      g.go(code_after, 2s, std::errc::timed_out);
      co_return;
    };
    result<void> r = co_await errgroup::run(body);
    CHECK(!r);
    CHECK(r.error() == std::make_error_code(std::errc::timed_out));
  });
}

TEST_CASE("errgroup: an exception is rethrown, also where an error came first") {
  in_bubbles([]() -> task<> {
    CHECK(co_await what_of([]() -> task<result<void>> {
            return errgroup::run([](errgroup& g) -> task<> {
              g.go(throw_after, 1s, "first");
              g.go(throw_after, 2s, "second");
              co_return;
            });
          }) == "first");
    CHECK(co_await what_of([]() -> task<result<void>> {
            return errgroup::run([](errgroup& g) -> task<> {
              g.go(fail_after, 1s, std::errc::io_error);
              g.go([]() -> task<> {
                const auto seen = co_await as_result(sleep_for(1h));
                throw std::runtime_error(seen ? "not stopped" : "on the way out");
              });
              co_return;
            });
          }) == "on the way out");
  });
}

TEST_CASE(
    "errgroup: a body that throws cancels its routines and is rethrown when they have ended") {
  everywhere([]() -> task<> {
    std::atomic<int> alive{0};
    std::string text;
    auto body = [&alive](errgroup& g) -> task<> {
      for (int i = 0; i < 10; ++i)
        g.go(wait_for_ever, &alive);
      co_await yield();
      throw std::runtime_error("body");
    };
    try {
      static_cast<void>(co_await errgroup::run(body));
    } catch (const std::runtime_error& e) {
      text = e.what();
    }
    CHECK(text == "body");
    CHECK(alive == 0);
  });
}

TEST_CASE("errgroup: a body that returns an error") {
  everywhere([]() -> task<> {
    std::atomic<int> alive{0};
    auto body = [&alive](errgroup& g) -> task<result<void>> {
      g.go(wait_for_ever, &alive);
      co_await yield();
      co_return error(std::make_error_code(std::errc::io_error), "body");
    };
    result<void> r = co_await errgroup::run(body);
    CHECK(!r);
    CHECK(r.error().message() == "body: Input/output error");
    CHECK(alive == 0);
  });
}

TEST_CASE("errgroup: a failure stops the body, too") {
  everywhere([]() -> task<> {
    std::atomic<int> alive{0};
    std::string text;
    auto body = [&alive](errgroup& g) -> task<> {
      const counts c(&alive);
      g.go(throw_later, "routine");
      co_await wait_for_ever(&alive);
    };
    try {
      static_cast<void>(co_await errgroup::run(body));
    } catch (const std::runtime_error& e) {
      text = e.what();
    }
    CHECK(text == "routine");
    CHECK(alive == 0);
  });
}

TEST_CASE("errgroup: a stop of the caller, in the body and behind it") {
  for (const bool in_body : {true, false}) {
    CAPTURE(in_body);
    everywhere([in_body]() -> task<> {
      std::atomic<int> alive{0};
      std::atomic<bool> went_on{false};
      auto h = go(
          [](bool waits, std::atomic<int>* a, std::atomic<bool>* on) -> task<> {
            auto body = [waits, a](errgroup& g) -> task<> {
              for (int i = 0; i < 5; ++i)
                g.go(wait_for_ever, a);
              if (waits) co_await wait_for_ever(a);
            };
            *on = (co_await errgroup::run(body)).has_value();
          },
          in_body, &alive, &went_on);
      while (alive != (in_body ? 6 : 5))
        co_await yield();
      co_await until_waiting(h.id());
      h.cancel();
      CHECK(co_await was_stopped(std::move(h)));
      CHECK(alive == 0);
      CHECK(!went_on);
    });
  }
}

TEST_CASE("errgroup: routines that end with results though the caller stops: that is delivered") {
  everywhere([]() -> task<> {
    std::atomic<int> steps{0};
    chan<int> gate(0);
    auto h = go(
        [](std::atomic<int>* s, chan<int> open) -> task<> {
          auto body = [s, &open](errgroup& g) -> task<> {
            auto shielded = [s, &open]() -> task<> {
              static_cast<void>(co_await without_cancel(open.recv()));
              ++*s;
            };
            g.go(shielded);
            co_return;
          };
          const result<void> r = co_await errgroup::run(body);
          if (r) ++*s;
          co_await yield();
          *s = 100;
        },
        &steps, gate);
    co_await until_waiting(h.id());
    h.cancel();
    static_cast<void>(co_await gate.send(1));
    CHECK(co_await was_stopped(std::move(h)));
    CHECK(steps == 2);
  });
}

TEST_CASE("errgroup: cancel() is no failure") {
  everywhere([]() -> task<> {
    std::atomic<int> alive{0};
    auto body = [&alive](errgroup& g) -> task<> {
      g.go(wait_for_ever, &alive);
      g.go(wait_for_ever, &alive);
      g.cancel();
      co_return;
    };
    CHECK(co_await errgroup::run(body));
    CHECK(alive == 0);
  });
}

TEST_CASE("errgroup: at the limit routines wait to begin") {
  in_bubbles([]() -> task<> {
    std::atomic<int> running{0}, most{0}, began{0};
    auto body = [&](errgroup& g) -> task<> {
      for (int i = 0; i < 20; ++i) {
        g.go([&]() -> task<> {
          const counts c(&running);
          ++began;
          for (int before = most; before < running; before = most) {
            if (most.compare_exchange_weak(before, running)) break;
          }
          co_await sleep_for(1s);
        });
      }
      co_return;
    };
    const auto start = clock::now();
    CHECK(co_await errgroup::run({.limit = 4}, body));
    CHECK(most == 4);
    CHECK(clock::now() == start + 5s);
    CHECK(began == 20);
  });
}

TEST_CASE("errgroup: try_go starts below the limit only") {
  everywhere([]() -> task<> {
    chan<int> gate(0);
    int started = 0;
    auto body = [&](errgroup& g) -> task<> {
      auto wait = [&gate]() -> task<> { static_cast<void>(co_await gate.recv()); };
      for (int i = 0; i < 5; ++i)
        started += g.try_go(wait) ? 1 : 0;
      gate.close();
      co_return;
    };
    CHECK(co_await errgroup::run({.limit = 3}, body));
    CHECK(started == 3);
  });
}

TEST_CASE("errgroup: room() waits until one more may run, and can be stopped") {
  in_bubbles([]() -> task<> {
    int rounds = 0;
    auto body = [&](errgroup& g) -> task<> {
      for (int i = 0; i < 6; ++i) {
        co_await g.room();
        CHECK(g.try_go([]() -> task<> { co_await sleep_for(1s); }));
        ++rounds;
      }
    };
    const auto start = clock::now();
    CHECK(co_await errgroup::run({.limit = 2}, body));
    CHECK(rounds == 6);
    CHECK(clock::now() == start + 3s);

    std::atomic<int> alive{0};
    auto full = [&alive](errgroup& g) -> task<> {
      g.go(wait_for_ever, &alive);
      co_await g.room();
    };
    auto r = co_await with_timeout(1s, errgroup::run({.limit = 1}, full));
    CHECK(!r);
    CHECK(r.error() == errc::deadline_exceeded);
    CHECK(alive == 0);
  });
}

TEST_CASE("errgroup: room() tells all who wait, for the first may make no use of it") {
  everywhere([]() -> task<> {
    chan<int> gate(0);
    std::atomic<int> told{0};
    auto body = [&](errgroup& g) -> task<> {
      g.go([&gate]() -> task<> { static_cast<void>(co_await gate.recv()); });
      auto wait = [&]() -> task<> {
        co_await g.room();
        ++told;
      };
      auto a = go(wait);
      auto b = go(wait);
      co_await until_waiting(a.id());
      co_await until_waiting(b.id());
      gate.close();
      co_await std::move(a);
      co_await std::move(b);
    };
    CHECK(co_await errgroup::run({.limit = 1}, body));
    CHECK(told == 2);
  });
}

TEST_CASE("errgroup: its context has the first failure's code as the cause") {
  in_bubbles([]() -> task<> {
    std::error_code cause;
    auto body = [&cause](errgroup& g) -> task<> {
      g.go(fail_after, 1s, std::errc::io_error);
      g.go([&cause, &g]() -> task<> {
        static_cast<void>(co_await as_result(sleep_for(1h)));
        cause = g.context().cause();
      });
      co_return;
    };
    static_cast<void>(co_await errgroup::run(body));
    CHECK(cause == std::errc::io_error);
  });
}

TEST_CASE("errgroup: groups in groups, the innermost failing, leave nothing behind") {
  everywhere([]() -> task<> {
    std::atomic<int> alive{0};
    struct nest {
      static task<> deep(std::atomic<int>* a, int depth) {
        const counts c(a);
        auto body = [a, depth](errgroup& g) -> task<> {
          if (depth == 0) throw std::runtime_error("bottom");
          g.go(wait_for_ever, a);
          g.go(deep, a, depth - 1);
          g.go(wait_for_ever, a);
          co_return;
        };
        static_cast<void>(co_await errgroup::run(body));
      }
    };
    std::string text;
    try {
      co_await nest::deep(&alive, 10);
    } catch (const std::runtime_error& e) {
      text = e.what();
    }
    CHECK(text == "bottom");
    CHECK(alive == 0);
  });
}

TEST_CASE("errgroup: a limit of zero panics") {
  everywhere([]() -> task<> {
    std::string text;
    try {
      static_cast<void>(
          co_await errgroup::run({.limit = 0}, [](errgroup&) -> task<> { co_return; }));
    } catch (const panic_error& e) {
      text = e.what();
    }
    CHECK(text == "errgroup: the limit is zero: nothing could run");
  });
}
