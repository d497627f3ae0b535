// SPDX-License-Identifier: MIT
// result<T> through making, copying, assigning and chaining, with every T's life counted.
#include <sluice/result.hpp>

#include <cerrno>
#include <memory>
#include <ostream>  // doctest prints error codes
#include <string>
#include <type_traits>
#include <utility>

#include <doctest/doctest.h>

namespace {

using namespace sluice;

error denied() {
  return detail::make_errno_error(EACCES, "open", "/etc/shadow");
}
const char* const denied_words = "open /etc/shadow: Permission denied";

struct counted {
  static inline int alive = 0;
  int value;
  explicit counted(int v) noexcept : value(v) { ++alive; }
  counted(const counted& other) noexcept : value(other.value) { ++alive; }
  counted(counted&& other) noexcept : value(std::exchange(other.value, -1)) { ++alive; }
  counted& operator=(const counted&) noexcept = default;
  counted& operator=(counted&& other) noexcept {
    value = std::exchange(other.value, -1);
    return *this;
  }
  ~counted() { --alive; }
};

struct immovable {
  explicit immovable(int v) : value(v) {}
  immovable(immovable&&) = delete;
  int value;
};

using move_only = std::unique_ptr<int>;

static_assert(sizeof(result<int>) == 48);
static_assert(sizeof(result<void>) == 48);
static_assert(std::is_nothrow_move_constructible_v<result<move_only>>);
static_assert(!std::is_copy_constructible_v<result<move_only>>);
static_assert(!std::is_move_constructible_v<result<immovable>>);
static_assert(std::is_nothrow_move_assignable_v<result<std::string>>);
static_assert(!std::is_default_constructible_v<result<counted>>);
static_assert(std::is_convertible_v<const char*, result<std::string>>);
static_assert(!std::is_convertible_v<int, result<counted>>);  // explicit, as its constructor
static_assert(std::is_constructible_v<result<counted>, int>);
static_assert(std::is_convertible_v<error, result<int>>);
static_assert(!std::is_convertible_v<result<int>, bool>);
static_assert(!std::is_constructible_v<result<bool>, result<std::string>>);

template <class R, class F>
constexpr bool chains = requires(R r, F f) { std::move(r).and_then(f); };
constexpr auto gives_int = [](int) { return 1; };
constexpr auto gives_result = [](int) { return result<int>(1); };
static_assert(chains<result<int>, decltype(gives_result)>);
static_assert(!chains<result<int>, decltype(gives_int)>);  // that is transform

}  // namespace

TEST_SUITE("base/result") {
  TEST_CASE("result: holds a value") {
    result<std::string> r = "hello";
    CHECK(r);
    CHECK(r.has_value());
    CHECK(*r == "hello");
    CHECK(r->size() == 5);
    CHECK(r.value() == "hello");
    CHECK(r == "hello");
    CHECK(r != "other");
    CHECK(std::move(r).value_or("none") == "hello");
  }

  TEST_CASE("result: holds an error") {
    const result<int> r = denied();
    CHECK(!r);
    CHECK(!r.has_value());
    CHECK(r.error() == std::errc::permission_denied);
    CHECK(r.error().message() == denied_words);
    CHECK(r.value_or(7) == 7);
    CHECK(r != 7);
  }

  TEST_CASE("result: value() of an error throws a system_error with the error's words") {
    const result<int> r = denied();
    CHECK_THROWS_WITH_AS((void)r.value(), denied_words, std::system_error);
    const result<void> v = denied();
    CHECK_THROWS_WITH_AS(v.value(), denied_words, std::system_error);
    CHECK_NOTHROW(result<void>().value());
  }

  TEST_CASE("result: values live exactly as long as they are held") {
    {
      result<counted> a(std::in_place, 1);
      result<counted> b = a;
      const result<counted> c = std::move(a);
      CHECK(counted::alive == 3);
      CHECK(c->value == 1);
      b = denied();
      CHECK(counted::alive == 2);
      CHECK(b.error().message() == denied_words);
      b = c;
      CHECK(counted::alive == 3);
      CHECK(b->value == 1);
      const result<counted>& self = b;
      b = self;
      CHECK(b->value == 1);
      b = result<counted>(std::in_place, 2);
      CHECK(b->value == 2);
      CHECK(counted::alive == 3);
      result<counted> e = denied();
      e = denied();
      CHECK(e.error().message() == denied_words);
      e.emplace(5);
      CHECK(e->value == 5);
      e.emplace(6);
      CHECK(counted::alive == 4);
    }
    CHECK(counted::alive == 0);
  }

  TEST_CASE("result: moves out what cannot be copied, and holds what cannot be moved") {
    result<move_only> r = std::make_unique<int>(3);
    const move_only taken = *std::move(r);
    CHECK(*taken == 3);
    const move_only also = result<move_only>(std::make_unique<int>(4)).value();
    CHECK(*also == 4);
    const result<immovable> here(std::in_place, 5);
    CHECK(here->value == 5);
  }

  TEST_CASE("result: converts between values that convert") {
    const result<long> from_value = result<int>(3);
    CHECK(*from_value == 3);
    const result<long> from_error = result<int>(denied());
    CHECK(from_error.error().message() == denied_words);
  }

  TEST_CASE("result: a bool in it is not whether it is there") {
    const result<bool> no = false;
    CHECK(no.has_value());
    CHECK(!*no);
    const result<bool> yes = true;
    CHECK(*yes);
  }

  TEST_CASE("result: and_then goes on with a value and stops at an error") {
    int calls = 0;
    const auto half = [&](int i) -> result<int> {
      ++calls;
      if (i % 2 != 0) return error(errc::end_of_stream, "half");
      return i / 2;
    };
    CHECK(result<int>(12).and_then(half).and_then(half) == 3);
    CHECK(calls == 2);
    CHECK(result<int>(6).and_then(half).and_then(half).and_then(half).error() ==
          errc::end_of_stream);
    CHECK(calls == 4);
    CHECK(result<int>(denied()).and_then(half).error().message() == denied_words);
    CHECK(calls == 4);
    const result<int> kept = denied();
    CHECK(kept.and_then(half).error().message() == denied_words);
    CHECK(kept.error().message() == denied_words);
    result<int> lvalue = 8;
    CHECK(lvalue.and_then(half) == 4);
  }

  TEST_CASE("result: transform changes the value and keeps the error") {
    CHECK(result<int>(2).transform([](int i) { return std::to_string(i); }) == "2");
    CHECK(result<int>(denied()).transform([](int i) { return i; }).error().message() ==
          denied_words);
    int seen = 0;
    const result<void> done = result<int>(2).transform([&](int i) { seen = i; });
    CHECK(done);
    CHECK(seen == 2);
    const result<move_only> moved =
        result<move_only>(std::make_unique<int>(1)).transform([](move_only p) {
          ++*p;
          return p;
        });
    CHECK(**moved == 2);
  }

  TEST_CASE("result: or_else may mend an error") {
    const auto mend = [](const error& e) -> result<int> {
      if (e == std::errc::permission_denied) return 0;
      return e;
    };
    CHECK(result<int>(denied()).or_else(mend) == 0);
    CHECK(result<int>(4).or_else(mend) == 4);
    CHECK(result<int>(error(errc::closed)).or_else(mend).error() == errc::closed);
  }

  TEST_CASE("result: of void is success or an error") {
    result<void> r;
    CHECK(r);
    r = denied();
    CHECK(!r);
    CHECK(r.error().message() == denied_words);
    result<void> copy = r;
    CHECK(copy.error().message() == denied_words);
    r = result<void>();
    CHECK(r);
    copy.emplace();
    CHECK(copy);
    CHECK(result<void>().and_then([] { return result<int>(1); }) == 1);
    CHECK(result<void>(denied()).and_then([] { return result<int>(1); }).error().message() ==
          denied_words);
    CHECK(result<void>().transform([] { return 2; }) == 2);
    CHECK(result<void>(denied()).or_else([](const error&) { return result<void>(); }));
    const result<void> moved = std::move(copy);
    CHECK(moved);
  }
}
