// SPDX-License-Identifier: MIT
// How large are frames of typical shapes, in bytes of the frame pool (sizes are rounded up to its
// classes), and the objects that every routine or channel has?
#include <sluice/chan.hpp>
#include <sluice/detail/coro/frame_alloc.hpp>
#include <sluice/routine.hpp>
#include <sluice/runtime.hpp>
#include <sluice/task.hpp>
#include <sluice/time.hpp>

#include "harness/bench.hpp"
#include "sched/routine.hpp"
#include "sched/worker.hpp"

#include <optional>

namespace {

using channel = sluice::chan<std::uint64_t>;

sluice::task<> empty() {
  co_return;
}
sluice::task<> recv(channel* c) {
  co_await c->recv();
}
sluice::task<> recv_three(channel* c) {
  co_await c->recv();
  co_await c->recv();
  co_await c->recv();
}
sluice::task<> send(channel* c) {
  co_await c->send(std::uint64_t{1});
}
sluice::task<> sleep() {
  co_await sluice::sleep_for(std::chrono::seconds(1));
}
sluice::task<> yield() {
  co_await sluice::yield();
}
sluice::task<> call() {
  co_await empty();
}
sluice::task<> call_three() {
  co_await empty();
  co_await empty();
  co_await empty();
}
sluice::task<> join(sluice::join_handle<>* h) {
  co_await std::move(*h);
}

/// The bytes of the frame that `make` makes, which never starts.
template <class F>
double frame_of(F make) {
  const std::size_t before = sluice::detail::frame_pool_stats().live_bytes;
  [[maybe_unused]] const auto unstarted = make();
  return static_cast<double>(sluice::detail::frame_pool_stats().live_bytes - before);
}

void sizes(perf::meter& m, int, std::uint64_t) {
  channel* const c = nullptr;
  m.set("frame_empty", frame_of([] { return empty(); }));
  m.set("frame_call", frame_of([] { return call(); }));
  m.set("frame_call_3", frame_of([] { return call_three(); }));
  m.set("frame_recv", frame_of([=] { return recv(c); }));
  m.set("frame_recv_3", frame_of([=] { return recv_three(c); }));
  m.set("frame_send", frame_of([=] { return send(c); }));
  m.set("frame_sleep", frame_of([] { return sleep(); }));
  m.set("frame_yield", frame_of([] { return yield(); }));
  m.set("frame_join", frame_of([] { return join(nullptr); }));
  m.set("routine_record", sizeof(sluice::detail::routine));
  m.set("channel", sizeof(sluice::detail::chan_core));
  m.set("recv_op", sizeof(sluice::detail::recv_op<std::uint64_t>));
  m.set("send_op", sizeof(sluice::detail::send_op<std::uint64_t>));
  m.set("worker", sizeof(sluice::detail::worker));
}

const perf::registration all{{
    .group = "sizes",
    .name = "size",
    .workers = {1},
    .run = sizes,
    .n = 1,
    .most_rounds = 1,
    .figures = {{"frame_empty", "bytes"},
                {"frame_call", "bytes"},
                {"frame_call_3", "bytes"},
                {"frame_recv", "bytes"},
                {"frame_recv_3", "bytes"},
                {"frame_send", "bytes"},
                {"frame_sleep", "bytes"},
                {"frame_yield", "bytes"},
                {"frame_join", "bytes"},
                {"routine_record", "bytes"},
                {"channel", "bytes"},
                {"recv_op", "bytes"},
                {"send_op", "bytes"},
                {"worker", "bytes"}},
}};

}  // namespace
