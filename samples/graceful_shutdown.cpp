// SPDX-License-Identifier: MIT
// A worker that works until its context is done, and the program that shuts it down: Go's loop of
// select { case <-ctx.Done(): return; default: work }. Here nothing has to be asked: the wait that the worker is in
// when its context is cancelled is its last, and its destructors run.
#include <sluice/sluice.hpp>

#include <chrono>
#include <cstdio>

using namespace sluice;
using namespace std::chrono_literals;

class desk {
 public:
  explicit desk(int worker) : worker_(worker) {}
  desk(const desk&) = delete;
  desk& operator=(const desk&) = delete;
  ~desk() { std::printf("worker %d: desk cleared\n", worker_); }

 private:
  int worker_;
};

task<> work(int id, send_chan<int> pieces) {
  desk d(id);
  for (int piece = 0;; ++piece) {
    co_await sleep_for(10ms);
    co_await pieces.send(piece);
  }
}

task<int> app() {
  chan<int> pieces(0);
  auto shift = context::current().with_cancel();
  auto worker = go_in(shift, work, 1, pieces);
  for (int done = 0; done < 3; ++done)
    std::printf("piece %d done\n", (co_await pieces.recv()).value_or(-1));
  std::printf("shutting down\n");
  shift.cancel();
  bool stopped = false;
  try {
    co_await std::move(worker);
  } catch (const stopped_error&) {
    stopped = true;
  }
  std::printf("the worker has %s\n", stopped ? "stopped" : "returned");
  co_return 0;
}

int main() {
  return run(app);
}
