// SPDX-License-Identifier: MIT
// Coroutines that g++ 12 compiles wrong, and what to write instead: what tools/lint/run must find, marked
// "// lint: <rule>", and what it must leave alone. Never compiled by g++.
#include <sluice/sluice.hpp>

#include <string>
#include <utility>
#include <vector>

using namespace sluice;

struct aggregate {
  std::string text;
  int n = 0;
};
struct plain {
  int n;
};

task<int> number() {
  co_return 1;
}
task<bool> truth() {
  co_return true;
}
task<std::string> text() {
  co_return "x";
}
task<int> take(aggregate) {
  co_return 1;
}
task<int> take_all(std::vector<int>) {
  co_return 1;
}
template <class F>
task<int> call(F f) {
  static_cast<void>(f());
  co_return 1;
}
void use(const auto&...) {}

// A

task<> condition_alone() {
  if (co_await truth()) co_return;  // lint: A
}
task<> condition_in_a_loop() {
  for (;;) {
    while (co_await truth()) {  // lint: A
    }
  }
}
task<> condition_beside_a_declaration() {
  using _ = int;
  if (co_await truth()) co_return;
}
task<> condition_that_declares() {
  while (auto more = co_await truth())
    use(more);
}

// B

task<> captures_in_the_expression(std::string s) {
  use(co_await call([s] { return s; }));  // lint: B
}
task<> captures_beside_it(std::string s) {
  auto f = [s] { return s; };
  use(co_await call(std::move(f)));
  use(co_await call([&s] { return s; }));
}
void awaits_in_the_lambda_only(std::string s) {
  go([](std::string t) -> task<> { use(t, co_await number()); }, s);
}

// C

task<> aggregate_in_the_expression() {
  use(co_await take(aggregate{"x", 1}));  // lint: C
  use(co_await take({"x", 1}));           // lint: C
}
task<> aggregate_beside_it() {
  aggregate a{"x", 1};
  use(co_await take(std::move(a)));
  use(plain{co_await number()}.n);
}

// E

task<> branches(bool b) {
  use(b ? co_await text() : std::string());  // lint: E
  use(co_await (b ? text() : text()));       // lint: E
}
task<std::string> branches_returned(bool b) {
  co_return b ? co_await text() : std::string();  // lint: E
}
task<> branches_of_numbers(bool b) {
  use(b ? co_await number() : 2);
}

// F

task<> list_in_the_expression() {
  use(co_await take_all({1, 2, 3}));                         // lint: F
  std::vector<int> v{co_await number(), co_await number()};  // lint: F
  use(v);
}
task<> list_beside_it() {
  std::vector<int> v{1, 2};
  use(co_await take_all(std::move(v)));
}

// G

task<> awaits_in_braces() {
  aggregate a{co_await text(), 1};                          // lint: G
  std::string two[2] = {co_await text(), co_await text()};  // lint: G
  auto f = [s = co_await text()] { return s; };             // lint: G
  use(a, two, f);
}
task<> awaits_before() {
  auto s = co_await text();
  aggregate a{s, 1};
  auto f = [s = std::move(s)] { return s; };
  int numbers[2] = {co_await number(), 2};
  use(a, f, numbers);
}

// What g++ 12 never compiles

#ifndef SLUICE_LINT
task<> awaits_in_braces_elsewhere() {
  aggregate a{co_await text(), 1};
  use(a);
}
#endif
