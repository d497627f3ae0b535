// SPDX-License-Identifier: MIT
// Three workers in an errgroup: the second fails, the others stop at once; nothing outlives the group.
#include <sluice/sluice.hpp>

#include <chrono>
#include <cstdio>
#include <system_error>

using namespace sluice;
using namespace std::chrono_literals;

task<result<void>> work(int id) {
  std::printf("worker %d: begins\n", id);
  co_await sleep_for(id == 2 ? 20ms : 10'000ms);
  if (id == 2) co_return error(std::make_error_code(std::errc::io_error), "worker 2");
  std::printf("worker %d: ends\n", id);
  co_return {};
}

task<int> app() {
  const auto began = clock::now();
  result<void> r = co_await errgroup::run([](errgroup& g) -> task<> {
    for (int id = 1; id <= 3; ++id) {
      g.go(work, id);
      co_await yield();
    }
  });
  std::printf("%s\n", r ? "all have ended" : r.error().message().c_str());
  std::printf("after %s\n", clock::now() - began < 5s ? "a moment" : "too long");
  co_return 0;
}

int main() {
  return run({.workers = 1}, app);
}
