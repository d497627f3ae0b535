// SPDX-License-Identifier: MIT
// Shutdown's first half: each routine is asked to stop, whenever it is started, and stop_routines()
// returns once the last one has ended, not before. executor_core.cpp, routine.cpp (spawn), wait.cpp
// and worker.cpp, as they are, with tasks on workers that serve.
#include <sluice/go.hpp>
#include <sluice/task.hpp>
#include <sluice/time.hpp>

#include "model/support/check.hpp"
#include "model/support/task_bench.hpp"

#include <cstddef>

namespace {

using namespace sluice::detail;
using model::run;
using model_test::bench;
using model_test::forget_records;

/// An executor that is stopped. Not destroyed where an execution fails: locks may be held.
struct stopping {
  explicit stopping(int workers) : b((forget_records(), workers)) {}

  /// The life of a routine, watched.
  class life {
   public:
    life(stopping* s, int i) noexcept : s_(s), i_(i) {
      ++s->live;
      s->work[i] = 1;
    }
    life(const life&) = delete;
    life& operator=(const life&) = delete;
    ~life() {
      s_->work[i_] = 2;
      --s_->live;
    }

   private:
    stopping* s_;
    int i_;
  };

  template <class F, class... A>
  void start(F f, A... args) {
    ++started;
    static_cast<void>(start_routine({&b.ex, std::source_location::current()}, f, args...));
  }

  void join(run& x) {
    for (std::size_t i = 0; i < b.ex.workers().size(); ++i) {
      x.daemon(i == 0 ? "worker 0" : "worker 1", [this, i] {
        model_test::serve_whole(b.worker(static_cast<int>(i)));
        ++workers_left;
      });
    }
    x.daemon("stopper", [this] {
      const bool none_live = b.ex.stop_routines(sluice::time_point::max());
      model::require(none_live && live == 0, "a routine is live when all have stopped");
      for (const model::plain<int>& each : work)
        static_cast<void>(each.get());
      returned = true;
      for (auto& w : b.ex.workers())
        w->request(attention_exit);
    });
    x.join();
    model::require(returned, "stop_routines sleeps for ever");
    model::require(workers_left == b.ex.workers().size(), "a worker does not leave");
  }

  bench b;
  model::plain<int> work[3];  // by routine
  int live = 0;               // of the checks, as below
  int started = 0;
  std::size_t workers_left = 0;
  bool returned = false;
};

[[maybe_unused]] sluice::task<> wait_for_ever(stopping* s, int i) {
  const stopping::life l(s, i);
  co_await sluice::sleep_until(sluice::time_point::max());
  model::fail("a wait without end ends");
}

[[maybe_unused]] sluice::task<> end_at_once(stopping* s, int i) {
  const stopping::life l(s, i);
  co_return;
}

/// Starts one that waits for ever, and ends.
[[maybe_unused]] sluice::task<> start_one(stopping* s, int i) {
  const stopping::life l(s, i);
  static_cast<void>(sluice::go(wait_for_ever, s, i + 1));
  co_return;
}

/// Starts one in a record that was used before: its own, once it has ended, is there to be taken.
[[maybe_unused]] sluice::task<> start_starter(stopping* s, int i) {
  const stopping::life l(s, i);
  static_cast<void>(sluice::go(start_one, s, i + 1));
  co_return;
}

/// Starts another that waits for ever as it does: a full batch.
[[maybe_unused]] sluice::task<> two_wait(stopping* s, int i) {
  const stopping::life l(s, i);
  static_cast<void>(sluice::go(wait_for_ever, s, i + 1));
  co_await sluice::sleep_until(sluice::time_point::max());
  model::fail("a wait without end ends");
}

/// Starts two, so that another worker can steal the first.
[[maybe_unused]] sluice::task<> start_two(stopping* s, int i) {
  const stopping::life l(s, i);
  static_cast<void>(sluice::go(wait_for_ever, s, i + 1));
  static_cast<void>(sluice::go(end_at_once, s, i + 2));
  co_return;
}

template <auto Body, int Workers = 1>
[[maybe_unused]] void stop_against(run& x) {
  auto* s = new stopping(Workers);
  s->start(Body, s, 0);
  s->join(x);
  delete s;
}

}  // namespace

#if !defined(MODEL_FAULT)

TEST_SUITE("model/shutdown") {
  TEST_CASE("shutdown: a routine ends by itself") {
    model_test::holds_both_ways("shutdown, an end", {.preemptions = 3, .stale = 2},
                                stop_against<end_at_once>);
  }

  TEST_CASE("shutdown: a routine begins to wait") {
    model_test::holds_both_ways("shutdown, a wait", {.preemptions = 3, .stale = 1},
                                stop_against<wait_for_ever>);
  }

  TEST_CASE("shutdown: a routine starts another") {
    model_test::holds_both_ways("shutdown, a start", {.preemptions = 2, .stale = 2},
                                stop_against<start_one>);
  }

  TEST_CASE("shutdown: a routine starts one in a record that was used before") {
    model_test::holds_both_ways("shutdown, a start after a start", {.preemptions = 2, .stale = 1},
                                stop_against<start_starter>);
  }

  TEST_CASE("shutdown: two routines wait, and are claimed together") {
    model_test::holds_both_ways("shutdown, a full batch", {.preemptions = 2, .stale = 1},
                                stop_against<two_wait>);
  }

  TEST_CASE("shutdown: a full batch, and two workers") {
    model_test::holds_both_ways("shutdown, a full batch", {.preemptions = 1, .stale = 1},
                                stop_against<two_wait, 2>);
  }

  TEST_CASE("shutdown: a routine that was started is stolen") {
    model_test::holds_both_ways("shutdown, two workers", {.preemptions = 1, .stale = 1},
                                stop_against<start_two, 2>);
  }

  TEST_CASE("shutdown: a routine starts another, further apart [long]") {
    model_test::holds_both_ways("shutdown, a start", {.preemptions = 3, .stale = 2},
                                stop_against<start_one>);
  }

  TEST_CASE("shutdown: an order that is too weak is found") {
    using enum std::memory_order;
    const auto finds = [](const char* text, const char* title, model::weakening fault,
                          const model_test::program& p, bool membarrier = false) {
      model_test::finds(text, title,
                        {.preemptions = 2, .stale = 2, .membarrier = membarrier, .weaken = {fault}},
                        p);
    };
    const char* const lost = "none of them will end it";  // stop_routines() looks again and again
    finds(lost, "shutdown, a routine is only released",
          {"asymmetric.hpp", "light_store", model::stores, seq_cst, release},
          stop_against<start_one>);
    finds(lost, "shutdown, the spawner looks with acquire only",
          {"executor_core.hpp", "is_stopping", model::loads, seq_cst, acquire},
          stop_against<start_one>);
    finds(lost, "shutdown, that it has begun is only released",
          {"executor_core.cpp", "request_stop_all", model::stores, seq_cst, release},
          stop_against<start_one>);
    finds(lost, "shutdown, the walk looks with acquire only",
          {"wait.cpp", "is_meant", model::loads, seq_cst, acquire}, stop_against<start_one>);
    finds("stop_routines sleeps for ever", "shutdown, an end is told of without a release",
          {"executor_core.cpp", "routines_ended", model::changes, release, relaxed},
          stop_against<end_at_once>, true);
    finds("stop_routines sleeps for ever", "shutdown, an end is looked for without an acquire",
          {"executor_core.cpp", "await_routines", model::loads, acquire, relaxed},
          stop_against<end_at_once>, true);
    finds("race", "shutdown, an end is counted without a release",
          {"counters.hpp", "add", model::stores, release, relaxed}, stop_against<end_at_once>);
    finds("race", "shutdown, the counters are read without an acquire",
          {"counters.hpp", "load", model::loads, acquire, relaxed}, stop_against<end_at_once>);
  }
}

#else

TEST_SUITE("model/shutdown, faulty") {
  TEST_CASE("shutdown: " MODEL_FAULT " is found") {
    model_test::finds(MODEL_FINDS, "shutdown, " MODEL_FAULT,
                      {.preemptions = 2, .stale = MODEL_OLD_READS, .membarrier = true},
                      MODEL_PROGRAM);
  }
}

#endif
