// SPDX-License-Identifier: MIT
// Steps of programs in boundaries: deadlines, given contexts, shields, stops as values, cleanups.
#include <sluice/boundary.hpp>
#include <sluice/context.hpp>
#include <sluice/error.hpp>
#include <sluice/result.hpp>

#include "fuzz/steps.hpp"

#include <chrono>
#include <utility>

using namespace sluice;

namespace sluice_fuzz {

namespace {

/// What a boundary's task finds there, and how it ended.
struct inside {
  context_entry* in = nullptr;  // that it stands in; null: the background
  bool begun = false;
  bool returned = false;
  bool threw = false;
};

enum class makes : unsigned char { nothing, timed, shield };

/// A boundary with a deadline cancels its context when the task has ended, whichever way.
class cancels {
 public:
  explicit cancels(context_entry* e) noexcept : e_(e) {}
  cancels(const cancels&) = delete;
  cancels& operator=(const cancels&) = delete;
  ~cancels() {
    if (e_ != nullptr && !e_->cancelled) e_->reasons.push_back(errc::canceled);
  }

 private:
  context_entry* e_;
};

/// The task of a boundary. `made`: the context that the boundary has made, which nobody has seen yet.
task<int> work(world& w, actor& a, int depth, inside& i, makes made, context_model::kind k) {
  guard frame;
  i.begun = true;
  place p{i.in, a.places.back().shielded};
  if (made != makes::nothing) {
    context_entry* outer = a.places.back().in;
    if (made == makes::shield) {
      k = {.value = outer != nullptr ? outer->value : 0, .shields = true, .ends = false};
      p.shielded = true;
    }
    // That of a shield in the background is the background.
    const bool is_new = made == makes::timed || outer != nullptr;
    p.in = i.in = is_new ? &w.contexts.add(context::current(), outer, k) : nullptr;
  }
  const cancels at_its_end(made == makes::timed ? i.in : nullptr);
  stay here(w, a, p);
  look_around(w, a);
  try {
    const int seen = co_await nest(w, a, depth);
    here.is_over();
    i.returned = true;
    co_return seen;
  } catch (const fuzz_error&) {
    here.is_over();
    i.threw = true;
    throw;
  } catch (...) {
    w.fail(&a, "caught what is no exception of its own");
    throw;
  }
}

/// Behind a boundary that gives a result.
void check_result(world& w, actor& a, const inside& i, const result<int>& r, int depth,
                  std::error_code cause) {
  w.expect(r.has_value() == i.returned, a, "left a boundary, and the result is wrong");
  w.expect(!r || *r == depth, a, "got another task's result from a boundary");
  if (r) return;
  w.expect(r.error().code() == cause, a, "is told another cause than it was stopped by");
  w.note(what::expired, a, depth);
}

task<> enter_timeout(world& w, actor& a, int depth) {
  inside i;
  w.look();
  const auto d = std::chrono::microseconds(a.rng.below(12) * 500);
  const context_model::kind k{.deadline = clock::now() + d, .cause = errc::deadline_exceeded};
  const bool by_deadline = a.rng.below(2) == 0;
  result<int> r = -1;
  if (by_deadline) {
    r = co_await with_deadline(k.deadline, work(w, a, depth, i, makes::timed, k));
  } else {
    r = co_await with_timeout(d, work(w, a, depth, i, makes::timed, k));
  }
  w.goes_on(a);
  w.expect(i.in->cancelled, a, "left a boundary whose context is open still");
  w.expect(r.has_value() || !a.must_stop(), a, "goes on behind a boundary, though it must stop");
  check_result(w, a, i, r, depth, i.in->cause);
}

task<> enter_given(world& w, actor& a, int depth) {
  inside i;
  const auto n = static_cast<std::uint32_t>(w.contexts.entries.size());
  if (const std::uint32_t at = a.rng.below(n + 1); at != n) i.in = &w.contexts.entries[at];
  const context given = i.in != nullptr ? i.in->real : context::background();
  const result<int> r = co_await with_context(given, work(w, a, depth, i, makes::nothing, {}));
  w.goes_on(a);
  w.expect(r.has_value() || !a.must_stop(), a, "goes on behind a boundary, though it must stop");
  check_result(w, a, i, r, depth,
               i.in != nullptr && i.in->cancelled ? i.in->cause : make_error_code(errc::canceled));
}

task<> enter_catching(world& w, actor& a, int depth) {
  inside i;
  i.in = a.places.back().in;
  const result<int> r = co_await as_result(work(w, a, depth, i, makes::nothing, {}));
  w.goes_on(a);
  w.expect(r.has_value() || a.must_stop(), a, "is told of a stop that nobody asked for");
  check_result(w, a, i, r, depth,
               i.in != nullptr && i.in->cancelled ? i.in->cause : make_error_code(errc::canceled));
}

task<> enter_shield(world& w, actor& a, int depth) {
  inside i;
  w.look();
  const bool before = a.must_stop();
  const int seen = co_await without_cancel(work(w, a, depth, i, makes::shield, {}));
  w.goes_on(a);
  w.expect(i.returned && seen == depth, a, "left a shield, and the result is wrong");
  if (a.must_stop()) w.note(what::shielded, a, before ? 1 : 0);
}

/// The cleanup of enter_finally(): then a stop of the body goes on.
task<> clean_up(world& w, actor& a, int depth, const inside& body, inside& i) {
  w.expect(body.begun, a, "cleans up before it has begun");
  w.goes_on(a);
  const auto at_its_end = [&] {
    a.waits = wait_for::calm;
    a.settled = due::either;
  };
  try {
    static_cast<void>(co_await work(w, a, depth, i, makes::shield, {}));
  } catch (const fuzz_error&) {
    at_its_end();
    throw;
  }
  at_its_end();
}

/// What was done of a body and its cleanup on the way out of the frame that awaited them.
class both {
 public:
  both(world& w, actor& a) noexcept : w_(w), a_(a) {}
  both(const both&) = delete;
  both& operator=(const both&) = delete;
  ~both() {
    w_.expect(cleanup.returned || cleanup.threw, a_, "has left a body without its cleanup");
    if (over_) return;
    w_.is_unwound(a_);
    w_.expect(!body.returned && !body.threw && cleanup.returned, a_,
              "was stopped behind a body and a cleanup that end otherwise");
    w_.note(what::cleaned, a_, 2);
  }
  void are_over(bool right) {
    over_ = true;
    w_.goes_on(a_);
    w_.expect(right, a_, "left a body and its cleanup, and the result is wrong");
    w_.note(what::cleaned, a_, body.returned ? 1 : 0, cleanup.returned ? 1 : 0);
  }

  inside body, cleanup;

 private:
  world& w_;
  actor& a_;
  bool over_ = false;
};

task<> enter_finally(world& w, actor& a, int depth) {
  both parts(w, a);
  parts.body.in = a.places.back().in;
  try {
    const int seen = co_await finally(work(w, a, depth, parts.body, makes::nothing, {}),
                                      clean_up(w, a, depth, parts.body, parts.cleanup));
    parts.are_over(parts.body.returned && parts.cleanup.returned && seen == depth);
  } catch (const fuzz_error&) {
    parts.are_over(parts.body.threw || parts.cleanup.threw);
    throw;
  }
}

}  // namespace

task<> enter_something(world& w, actor& a, int depth) {
  guard frame;
  w.note(what::entered, a, depth);
  try {
    switch (a.rng.below(6)) {
      case 0:
      case 1:
        co_await enter_timeout(w, a, depth + 1);
        break;
      case 2:
        co_await enter_given(w, a, depth + 1);
        break;
      case 3:
        co_await enter_catching(w, a, depth + 1);
        break;
      case 4:
        co_await enter_shield(w, a, depth + 1);
        break;
      default:
        co_await enter_finally(w, a, depth + 1);
        break;
    }
  } catch (const fuzz_error& e) {
    w.goes_on(a);
    w.expect(e.thrower == a.id, a, "caught another routine's exception behind a boundary");
    w.note(what::thrown, a, depth);
  }
}

}  // namespace sluice_fuzz
