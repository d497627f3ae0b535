// SPDX-License-Identifier: MIT
// Clean-up on every way out, and a panic recovered: what defer and recover() are for in Go. A destructor
// cleans up; finally() does where cleaning up has to wait; catch recovers.
#include <sluice/sluice.hpp>

#include <chrono>
#include <cstdio>

using namespace sluice;
using namespace std::chrono_literals;

class connection {
 public:
  connection() { std::printf("connection: opened\n"); }
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;
  ~connection() { std::printf("connection: closed\n"); }

  task<> say_goodbye() {
    co_await sleep_for(1ms);
    std::printf("connection: goodbye said\n");
  }
};

task<> use(connection& c, chan<int> to) {
  static_cast<void>(c);
  to.close();
  std::printf("sending on a closed channel\n");
  static_cast<void>(co_await to.send(1));
}

task<> handle_request() {
  connection c;
  co_await finally(use(c, chan<int>(1)), c.say_goodbye());
}

task<int> app() {
  try {
    co_await handle_request();
  } catch (const panic_error& e) {
    std::printf("recovered: %s\n", e.what());
  }
  // A panic of another routine arrives where it is joined.
  auto h = go([]() -> task<int> {
    chan<int> c(0);
    c.close();
    c.close();
    co_return 1;
  });
  try {
    std::printf("%d\n", co_await std::move(h));
  } catch (const panic_error& e) {
    std::printf("recovered: %s\n", e.what());
  }
  co_return 0;
}

int main() {
  return run(app);
}
