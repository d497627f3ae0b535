// SPDX-License-Identifier: MIT
// The places in which a co_await may stand, as a table: each shape awaits some steps, of which one can be
// made to stop, and its frames are full of marks that watch how they go.
//
// What g++ 12 compiles wrong (letters of GCC's bugs: A PR106188, B PR99576, C PR107288, E conditional operators
// of classes, F initializer lists, G aggregates of awaited values, H member coroutines of temporaries) is there
// for other compilers only.
#pragma once

#include <sluice/boundary.hpp>
#include <sluice/chan.hpp>
#include <sluice/context.hpp>
#include <sluice/errgroup.hpp>
#include <sluice/go.hpp>
#include <sluice/routine.hpp>
#include <sluice/task.hpp>

#include "support/counted.hpp"

#include <exception>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sluice_test {

enum class stop_path {
  suspended,  // the stop finds the routine in its wait
  ready,      // the routine was asked to stop before a wait that would be over at once
};

/// What is seen of one run of a shape.
struct shape_watch {
  shape_watch(int at, stop_path p) : stop_at(at), path(p) {}

  const int stop_at;  // the step that is stopped, from 0
  const stop_path path;
  int steps = 0;  // begun
  bool parked = false;
  bool stopping = false;
  bool went_on = false;  // behind the wait that was to stop
  bool caught = false;   // by a catch (...)

  int marks = 0;           // made
  std::vector<int> alive;  // in the order in which they were made
  bool in_order = true;    // the last one made was always the first to go
  bool as_failing = true;  // std::uncaught_exceptions() had risen by one when they went in a stop

  sluice::chan<int> ready{1};
  sluice::chan<int> never{0};

  // --- how it is stopped
  sluice::task<> (*bring_stop)(shape_watch&) = nullptr;
  const sluice::owned_context* context = nullptr;
  sluice::join_handle<>* handle = nullptr;
  sluice::errgroup* group = nullptr;
  sluice::chan<int> tell{1};
  bool told = false;
};

/// A local or a temporary.
class mark {
 public:
  explicit mark(shape_watch& w) : w_(w), number_(w.marks++), uncaught_(std::uncaught_exceptions()) {
    w.alive.push_back(number_);
  }
  mark(const mark&) = delete;
  mark& operator=(const mark&) = delete;
  ~mark() {
    if (w_.alive.empty() || w_.alive.back() != number_) {
      w_.in_order = false;
    } else {
      w_.alive.pop_back();
    }
    if (w_.stopping && std::uncaught_exceptions() != uncaught_ + 1) w_.as_failing = false;
  }

  int plus(int n) const noexcept { return n + alive_.value(); }

 private:
  shape_watch& w_;
  const int number_;
  const int uncaught_;
  counted alive_{0};
};

/// One step of a shape. Returns: how many there were, with this one.
inline sluice::task<int> step(shape_watch& w) {
  const mark local(w);
  const int n = w.steps++;
  if (n == w.stop_at && w.path == stop_path::suspended) {
    w.parked = true;
    static_cast<void>(co_await w.never.recv());
    w.went_on = true;
  } else if (n == w.stop_at) {
    co_await sluice::without_cancel(w.bring_stop(w));
    w.stopping = true;
    w.ready.try_send(1);
    static_cast<void>(co_await w.ready.recv());
    w.went_on = true;
  } else if (n % 2 == 0) {
    co_await sluice::yield();
  }
  co_return n + 1;
}
inline sluice::task<counted> step_value(shape_watch& w) {
  const mark local(w);
  const int n = co_await step(w);
  co_return counted(n);
}
inline sluice::task<std::optional<counted>> step_until(shape_watch& w, int last) {
  const mark local(w);
  counted v = co_await step_value(w);
  if (v.value() == last) co_return std::nullopt;
  co_return std::optional<counted>(std::move(v));
}

// ---- the shapes. Each returns 1 + 2 + ... + the number of its steps.

inline sluice::task<int> in_a_loop(shape_watch& w) {
  int sum = 0;
  for (int i = 0; i != 3; ++i) {
    const mark before(w);
    sum += co_await step(w);
    const mark after(w);
  }
  co_return sum;
}
inline sluice::task<int> in_a_do_loop(shape_watch& w) {
  int sum = 0;
  do {
    const mark local(w);
    sum += co_await step(w);
  } while (sum < 1 + 2 && co_await step(w) == 2 && (sum += 2, false));
  co_return sum;
}
inline sluice::task<int> in_a_condition(shape_watch& w) {
  int sum = 0;
  while (const auto v = co_await step_until(w, 5)) {
    const mark local(w);
    sum += v->value();
    if (const int more = co_await step(w); more > 0) sum += more;
  }
  co_return sum + 5;
}
inline sluice::task<int> by_short_circuit(shape_watch& w) {
  const mark local(w);
  const bool all = co_await step(w) == 1 && co_await step(w) == 2 && co_await step(w) == 3;
  co_return all ? 6 : -1;
}
inline sluice::task<int> by_scalar_choice(shape_watch& w) {
  const mark local(w);
  const int one = w.stop_at >= 0 ? co_await step(w) : 0;
  const int two = one == 0 ? 0 : co_await step(w);
  co_return one + two;
}
inline sluice::task<int> add(const mark& m, counted a, counted b) {
  const int sum = a.value() + b.value();
  co_await sluice::yield();
  co_return m.plus(sum);
}
inline sluice::task<int> in_nested_calls(shape_watch& w) {
  const mark local(w);
  int sum = co_await add(mark(w), co_await step_value(w), co_await step_value(w));
  sum += co_await add(mark(w), counted(0), co_await step_value(w));
  co_return sum;
}
inline sluice::task<int> with_temporaries(shape_watch& w) {
  int sum = mark(w).plus(co_await step(w));
  sum += mark(w).plus(mark(w).plus(co_await step(w)));
  co_return sum;
}
inline sluice::task<int> as_argument(shape_watch& w) {
  const mark local(w);
  const std::string text = std::string(40, '0') + std::to_string(co_await step(w));
  const int two = std::stoi(std::to_string(co_await step(w)) + std::string());
  co_return std::stoi(text) + two;
}
class holder {
 public:
  holder(shape_watch& w, counted v) : local_(w), value_(std::move(v)) {}
  int value() const noexcept { return value_.value(); }

 private:
  mark local_;
  counted value_;
};
inline sluice::task<int> in_initialisers(shape_watch& w) {
  const holder one(w, co_await step_value(w));
  const auto two = std::make_unique<holder>(w, co_await step_value(w));
  std::optional<counted> three(co_await step_value(w));
  co_return one.value() + two->value() + three->value();
}
inline sluice::task<int> in_try_blocks(shape_watch& w) {
  int sum = 0;
  try {
    const mark outer(w);
    sum += co_await step(w);
    try {
      const mark inner(w);
      sum += co_await step(w);
    } catch (const std::exception&) {
      w.caught = true;
    }
    sum += co_await step(w);
  } catch (...) {
    w.caught = true;
  }
  co_return sum;
}
inline sluice::task<int> behind_a_catch(shape_watch& w) {
  int sum = 0;
  bool thrown = false;
  try {
    const counted one = co_await step_value(w);
    throw one;
  } catch (const counted& one) {
    thrown = one.value() == 1;
  } catch (...) {
    w.caught = true;
  }
  const mark local(w);
  if (thrown) sum = 1 + co_await step(w);
  co_return sum;
}
inline sluice::task<std::pair<counted, counted>> step_pair(shape_watch& w) {
  const mark local(w);
  counted a = co_await step_value(w);
  counted b = co_await step_value(w);
  co_return std::pair<counted, counted>(std::move(a), std::move(b));
}
inline sluice::task<int> by_structured_binding(shape_watch& w) {
  auto [a, b] = co_await step_pair(w);
  const mark local(w);
  auto&& [c, d] = co_await step_pair(w);
  co_return a.value() + b.value() + c.value() + d.value();
}
inline sluice::task<std::vector<counted>> step_list(shape_watch& w) {
  std::vector<counted> all;
  for (int i = 0; i != 2; ++i)
    all.push_back(co_await step_value(w));
  co_return all;
}
inline sluice::task<int> over_a_range(shape_watch& w) {
  int sum = 0;
  for (const counted& v : co_await step_list(w)) {
    const mark local(w);
    sum += v.value() + co_await step(w);
  }
  co_return sum;
}
inline sluice::task<int> in_a_switch(shape_watch& w) {
  const mark local(w);
  switch (co_await step(w)) {
    case 1: {
      const mark in_case(w);
      co_return 1 + co_await step(w);
    }
    default:
      break;
  }
  co_return 0;
}
inline sluice::task<int> of_a_lambda(shape_watch& w) {
  const counted captured(1);
  const auto body = [captured](shape_watch& x) -> sluice::task<int> {
    const mark local(x);
    const int one = co_await step(x);
    co_return one* captured.value() + co_await step(x);
  };
  const int sum = co_await body(w);
  co_return sum;
}
inline sluice::task<int> of_a_template(auto& w) {
  const auto local = std::make_unique<mark>(w);
  const auto one = co_await step_value(w);
  co_return one.value() + local->plus(co_await step(w));
}
class adder {
 public:
  explicit adder(shape_watch& w) : local_(w) {}
  sluice::task<int> run(shape_watch& w) {
    const mark local(w);
    const int one = co_await step(w);
    co_return local_.plus(one) + co_await step(w);
  }

 private:
  mark local_;
};
inline sluice::task<int> of_a_member(shape_watch& w) {
  adder a(w);
  const int sum = co_await a.run(w);
  co_return sum;
}
inline sluice::task<int> in_the_return(shape_watch& w) {
  const mark local(w);
  const int one = co_await step(w);
  co_return mark(w).plus(one) + co_await step(w);
}
inline sluice::task<const mark*> pointer_to(const mark& m, shape_watch& w) {
  static_cast<void>(co_await step(w));
  co_return &m;
}
inline sluice::task<int> through_a_pointer(shape_watch& w) {
  const int one = (co_await pointer_to(mark(w), w))->plus(1);
  co_return one + co_await step(w);
}

#if !defined(SLUICE_LINT) && (!defined(__GNUC__) || defined(__clang__) || __GNUC__ > 12)
inline sluice::task<int> without_declarations(shape_watch& w) {  // A
  while (co_await step(w) != 3) {
  }
  co_return 6;
}
inline sluice::task<int> call(auto f, shape_watch& w) {
  const mark local(w);
  const int seen = co_await f(w);
  co_return seen;
}
inline sluice::task<int> of_an_owning_temporary(shape_watch& w) {  // B
  const counted captured(1);
  co_return co_await call(
      [captured](shape_watch& x) -> sluice::task<int> {
        const mark local(x);
        const int one = co_await step(x);
        co_return one* captured.value() + co_await step(x);
      },
      w);
}
struct parts {
  counted a;
  counted b;
};
inline sluice::task<int> sum_of(parts p, shape_watch& w) {
  const mark local(w);
  static_cast<void>(co_await step(w));
  co_return p.a.value() + p.b.value();
}
inline sluice::task<int> with_aggregates(shape_watch& w) {  // C, G
  const parts awaited{co_await step_value(w), co_await step_value(w)};
  co_return awaited.a.value() + awaited.b.value() +
      co_await sum_of(parts{counted(1), counted(2)}, w);
}
inline sluice::task<int> by_choice(shape_watch& w) {  // E
  const mark local(w);
  const counted one = w.stop_at >= 0 ? co_await step_value(w) : counted(0);
  co_return one.value() + (co_await (one.value() == 0 ? step_value(w) : step_value(w))).value();
}
inline int sum_of(std::initializer_list<int> all) {
  int sum = 0;
  for (const int n : all)
    sum += n;
  return sum;
}
inline sluice::task<int> in_a_list(shape_watch& w) {  // F
  const mark local(w);
  co_return sum_of({co_await step(w), co_await step(w), co_await step(w)});
}
struct open_adder {
  counted base{1};
  sluice::task<int> run(shape_watch& w) {
    const mark local(w);
    const int one = co_await step(w);
    co_return one* base.value() + co_await step(w);
  }
};
inline sluice::task<int> of_a_temporary(shape_watch& w) {  // H
  co_return co_await open_adder{}.run(w);
}
#endif

struct await_shape {
  const char* name;
  sluice::task<int> (*run)(shape_watch&);
  int takes;  // steps
};

inline constexpr await_shape await_shapes[] = {
    {"in a loop", in_a_loop, 3},
    {"in a do loop", in_a_do_loop, 2},
    {"in a condition", in_a_condition, 5},
    {"by short circuit", by_short_circuit, 3},
    {"by a choice of numbers", by_scalar_choice, 2},
    {"in nested calls", in_nested_calls, 3},
    {"with temporaries", with_temporaries, 2},
    {"as an argument", as_argument, 2},
    {"in initialisers", in_initialisers, 3},
    {"in try blocks", in_try_blocks, 3},
    {"behind a catch", behind_a_catch, 2},
    {"by structured binding", by_structured_binding, 4},
    {"over a range", over_a_range, 4},
    {"in a switch", in_a_switch, 2},
    {"of a lambda", of_a_lambda, 2},
    {"of a template", of_a_template<shape_watch>, 2},
    {"of a member", of_a_member, 2},
    {"in the return", in_the_return, 2},
    {"through a pointer", through_a_pointer, 2},
#if !defined(SLUICE_LINT) && (!defined(__GNUC__) || defined(__clang__) || __GNUC__ > 12)
    {"without declarations", without_declarations, 3},
    {"of an owning temporary", of_an_owning_temporary, 2},
    {"with aggregates", with_aggregates, 3},
    {"by choice", by_choice, 2},
    {"in a list", in_a_list, 3},
    {"of a temporary", of_a_temporary, 2},
#endif
};

}  // namespace sluice_test
