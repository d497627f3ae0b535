// SPDX-License-Identifier: MIT
// The checker itself: what C++20 allows between threads is seen, what it forbids is not.
#include "model/checker/atomic.hpp"
#include "model/checker/plain.hpp"
#include "model/support/check.hpp"

#include <set>

namespace {

using model::bounds;
using model::plain;
using model::run;
using sluice::detail::atomic;
using std::memory_order_acq_rel;
using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;
using std::memory_order_seq_cst;

/// Explores `p`, which returns what an execution showed. Returns: all that was shown.
std::set<int> outcomes(const char* title, const bounds& b, const std::function<int(run&)>& p) {
  std::set<int> seen;
  const model::report r = model::explore(title, b, [&](run& x) { seen.insert(p(x)); });
  CHECK(!r.failed);
  CHECK(r.complete);
  return seen;
}

std::set<int> store_buffering(std::memory_order store, std::memory_order load, bool barrier) {
  return outcomes("store buffering", {}, [=](run& x) {
    atomic<int> a{0};
    atomic<int> b{0};
    int seen_a = -1;
    int seen_b = -1;
    x.thread("left", [&] {
      a.store(1, store);
      seen_b = b.load(load);
    });
    x.thread("right", [&] {
      b.store(1, barrier ? memory_order_seq_cst : store);
      if (barrier) model::barrier_of_all();
      seen_a = a.load(load);
    });
    x.join();
    return seen_a * 2 + seen_b;
  });
}

}  // namespace

TEST_SUITE("model/checker") {
  TEST_CASE("checker: store buffering is seen unless all is seq_cst or one side pays a barrier") {
    const std::set<int> all{0, 1, 2, 3};
    const std::set<int> one_sees{1, 2, 3};
    CHECK(store_buffering(memory_order_relaxed, memory_order_relaxed, false) == all);
    CHECK(store_buffering(memory_order_release, memory_order_acquire, false) == all);
    CHECK(store_buffering(memory_order_release, memory_order_seq_cst, false) == all);
    CHECK(store_buffering(memory_order_seq_cst, memory_order_relaxed, false) == all);
    CHECK(store_buffering(memory_order_seq_cst, memory_order_seq_cst, false) == one_sees);
    CHECK(store_buffering(memory_order_release, memory_order_seq_cst, true) == one_sees);
    CHECK(store_buffering(memory_order_relaxed, memory_order_relaxed, true) == one_sees);
  }

  TEST_CASE("checker: a release store and the acquire load that reads it publish plain data") {
    const auto publish = [](std::memory_order store, std::memory_order load) {
      return [=](run& x) {
        plain<int> data{0};
        atomic<bool> ready{false};
        x.thread("writer", [&] {
          data = 1;
          ready.store(true, store);
        });
        x.thread("reader", [&] {
          if (ready.load(load)) model::require(data == 1, "the data is not there");
        });
        x.join();
      };
    };
    model_test::holds("publish", {}, publish(memory_order_release, memory_order_acquire));
    model_test::finds("data race", "publish, relaxed store", {},
                      publish(memory_order_relaxed, memory_order_acquire));
    model_test::finds("data race", "publish, relaxed load", {},
                      publish(memory_order_release, memory_order_relaxed));
  }

  TEST_CASE("checker: a read-modify-write goes on with the release sequence, a store ends it") {
    const auto sequence = [](bool modify) {
      return [=](run& x) {
        plain<int> data{0};
        atomic<int> word{0};
        x.thread("writer", [&] {
          data = 1;
          word.store(1, memory_order_release);
        });
        x.thread("between", [&] {
          if (word.load(memory_order_relaxed) != 1) return;
          if (modify) {
            word.fetch_add(1, memory_order_relaxed);
          } else {
            word.store(2, memory_order_relaxed);
          }
        });
        x.thread("reader", [&] {
          if (word.load(memory_order_acquire) == 2) model::require(data == 1, "not there");
        });
        x.join();
      };
    };
    model_test::holds("release sequence", {}, sequence(true));
    model_test::finds("data race", "store in a release sequence", {}, sequence(false));
  }

  TEST_CASE("checker: two stores may be seen in different orders, but for seq_cst ones") {
    const auto readers = [](std::memory_order store, std::memory_order load) {
      return outcomes("independent reads", {.preemptions = 4, .stale = 4}, [=](run& x) {
        atomic<int> a{0};
        atomic<int> b{0};
        int first = 0;
        int second = 0;
        x.thread("a", [&] { a.store(1, store); });
        x.thread("b", [&] { b.store(1, store); });
        x.thread("a then b", [&] { first = a.load(load) == 1 && b.load(load) == 0; });
        x.thread("b then a", [&] { second = b.load(load) == 1 && a.load(load) == 0; });
        x.join();
        return first + second;
      });
    };
    CHECK(readers(memory_order_release, memory_order_acquire) == std::set<int>{0, 1, 2});
    CHECK(readers(memory_order_seq_cst, memory_order_seq_cst) == std::set<int>{0, 1});
  }

  TEST_CASE("checker: a location is never read backwards") {
    const auto seen = outcomes("coherence", {}, [](run& x) {
      atomic<int> a{0};
      int first = 0;
      int second = 0;
      x.thread("writer", [&] {
        a.store(1, memory_order_relaxed);
        a.store(2, memory_order_relaxed);
      });
      x.thread("reader", [&] {
        first = a.load(memory_order_relaxed);
        second = a.load(memory_order_relaxed);
      });
      x.join();
      return first * 3 + second;
    });
    CHECK(seen == std::set<int>{0, 1, 2, 4, 5, 8});
  }

  TEST_CASE("checker: a lost update needs one preemption, and is found with one") {
    const auto count = [](run& x) {
      atomic<int> n{0};
      for (const char* name : {"one", "two"}) {
        x.thread(name, [&] { n.store(n.load(memory_order_relaxed) + 1, memory_order_relaxed); });
      }
      x.join();
      model::require(n.latest() == 2, "an update was lost");
    };
    model_test::holds("lost update, no preemption", {.preemptions = 0, .stale = 0}, count);
    model_test::finds("update was lost", "lost update, one preemption",
                      {.preemptions = 1, .stale = 0}, count);
  }

  TEST_CASE("checker: compare-exchange acts on the newest value only") {
    const auto seen = outcomes("compare-exchange", {}, [](run& x) {
      atomic<int> a{0};
      int won = 0;
      for (const char* name : {"one", "two", "three"}) {
        x.thread(name, [&] {
          int expected = 0;
          if (a.compare_exchange_strong(expected, 1, memory_order_relaxed, memory_order_relaxed)) {
            ++won;
          }
        });
      }
      x.join();
      return won;
    });
    CHECK(seen == std::set<int>{1});
  }

  TEST_CASE("checker: threads that wait for each other, or spin for ever, are found") {
    const auto wait_for_each_other = [](run& x) {
      atomic<bool> a{false};
      atomic<bool> b{false};
      x.thread("left", [&] {
        model::wait_until("b", [&] { return b.latest(); });
        a.store(true, memory_order_relaxed);
      });
      x.thread("right", [&] {
        model::wait_until("a", [&] { return a.latest(); });
        b.store(true, memory_order_relaxed);
      });
      x.join();
    };
    model_test::finds("deadlock: left waits for b, right waits for a", "deadlock", {},
                      wait_for_each_other);
    const auto spin = [](bool lift) {
      return [=](run& x) {
        atomic<bool> a{false};
        x.thread("waiter", [&] {
          while (!a.load(memory_order_relaxed))
            model::yield();
        });
        x.thread("other", [&] { a.store(lift, memory_order_relaxed); });
        x.join();
      };
    };
    model_test::holds("a spin that ends", {}, spin(true));
    model_test::finds("all threads spin", "a spin that does not end", {}, spin(false));
  }

  TEST_CASE("checker: use after free and unordered reuse are found") {
    model_test::finds("used after it was freed", "use after free", {}, [](run& x) {
      atomic<int> a{0};
      x.thread("user", [&] { a.fetch_add(1, memory_order_relaxed); });
      x.thread("owner", [&] { model::retire(&a, sizeof a); });
      x.join();
    });
    model_test::finds("data race", "unordered reuse", {}, [](run& x) {
      atomic<int> refs{2};
      plain<int> data{0};
      for (const char* name : {"one", "two"}) {
        x.thread(name, [&] {
          data.get();
          if (refs.fetch_sub(1, memory_order_relaxed) == 1) data = 1;
        });
      }
      x.join();
    });
    model_test::holds("counted reuse", {}, [](run& x) {
      atomic<int> refs{2};
      plain<int> data{0};
      for (const char* name : {"one", "two"}) {
        x.thread(name, [&] {
          data.get();
          if (refs.fetch_sub(1, memory_order_acq_rel) == 1) data = 1;
        });
      }
      x.join();
    });
  }

  TEST_CASE("checker: a weakened order is found, and a failure has a trace") {
    const auto publish = [](run& x) {
      plain<int> data{0};
      atomic<bool> ready{false};
      x.thread("writer", [&] {
        data = 1;
        ready.store(true, memory_order_release);
      });
      x.thread("reader", [&] {
        if (ready.load(memory_order_acquire)) data.get();
      });
      x.join();
    };
    const model::report r =
        model::explore("weakened",
                       {.weaken = {{"checker_test.cpp", nullptr, model::stores,
                                    memory_order_release, memory_order_relaxed}}},
                       publish);
    CHECK(r.failed);
    CHECK(r.trace.find("writer") != std::string::npos);
    CHECK(r.trace.find("stores") != std::string::npos);
  }
}
