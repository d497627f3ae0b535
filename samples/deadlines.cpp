// SPDX-License-Identifier: MIT
// A tree of deadlines: a request has one, and each of its parts. Who is late is cut off, and no part has
// longer than the whole: the second request ends before its second part's time is over.
#include <sluice/sluice.hpp>

#include <chrono>
#include <cstdio>
#include <string>

using namespace sluice;
using namespace std::chrono_literals;

struct request_name {
  std::string text;
};

task<int> query(duration takes) {
  co_await sleep_for(takes);
  co_return 1;
}

task<> part(const char* what, duration limit, duration takes) {
  const auto name = context::current().value<request_name>()->text;
  auto r = co_await with_timeout(limit, query(takes));
  std::printf("%s: %s: %s\n", name.c_str(), what, r ? "answered" : r.error().message().c_str());
}

task<> parts() {
  co_await part("first part", 500ms, 0ms);
  co_await part("second part", 100ms, 10s);
}

task<> request(const char* name, duration limit) {
  // The value goes below the deadline: a context that is made here would be without it.
  auto named = [name]() -> task<> {
    static_cast<void>(
        co_await with_context(context::current().with_value<request_name>(name), parts()));
  };
  auto r = co_await with_timeout(limit, named);
  std::printf("%s: %s\n", name, r ? "all parts seen to" : r.error().message().c_str());
}

task<int> app() {
  co_await request("request 1", 10s);
  co_await request("request 2", 30ms);
  co_return 0;
}

int main() {
  return run(app);
}
