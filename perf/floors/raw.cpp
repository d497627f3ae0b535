// SPDX-License-Identifier: MIT
// Bare coroutines on one thread: frames from malloc, a FIFO of ready ones threaded through their
// promises, an unlocked channel. No registry, no stop requests, no second thread.
#include "floors/floors.hpp"

#include <coroutine>
#include <cstdint>
#include <exception>
#include <utility>
#include <vector>

namespace perf {

namespace {

struct promise;
using frame = std::coroutine_handle<promise>;

/// The ready ones, first in, first out.
struct ready_list {
  promise* first = nullptr;
  promise* last = nullptr;
  void push(promise& p) noexcept;
  frame pop() noexcept;
  void run() {
    while (first != nullptr)
      pop().resume();
  }
};

ready_list ready;

/// Owned by whoever holds it; starts when it is first resumed.
struct coroutine {
  using promise_type = promise;
  explicit coroutine(frame f) noexcept : handle(f) {}
  coroutine(coroutine&& o) noexcept : handle(std::exchange(o.handle, nullptr)) {}
  coroutine& operator=(coroutine&&) = delete;
  ~coroutine() {
    if (handle) handle.destroy();
  }
  frame handle;
};

struct promise {
  struct final_awaiter {
    final_awaiter() noexcept {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(frame f) const noexcept;
    void await_resume() const noexcept {}
  };

  coroutine get_return_object() noexcept { return coroutine(frame::from_promise(*this)); }
  std::suspend_always initial_suspend() const noexcept { return {}; }
  final_awaiter final_suspend() const noexcept { return {}; }
  void return_value(std::uint64_t v) noexcept { value = v; }
  [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }

  std::uint64_t value = 0;
  promise* next = nullptr;    // in `ready`
  promise* waiter = nullptr;  // waits for the end
  bool done = false;
};

void ready_list::push(promise& p) noexcept {
  p.next = nullptr;
  (last != nullptr ? last->next : first) = &p;
  last = &p;
}

frame ready_list::pop() noexcept {
  promise& p = *first;
  first = p.next;
  if (first == nullptr) last = nullptr;
  return frame::from_promise(p);
}

void promise::final_awaiter::await_suspend(frame f) const noexcept {
  f.promise().done = true;
  if (f.promise().waiter != nullptr) ready.push(*f.promise().waiter);
}

/// Waits until another has ended; takes its value.
class join {
 public:
  explicit join(const coroutine& c) noexcept : target_(c.handle.promise()) {}
  bool await_ready() const noexcept { return target_.done; }
  void await_suspend(frame f) noexcept { target_.waiter = &f.promise(); }
  std::uint64_t await_resume() const noexcept { return target_.value; }

 private:
  promise& target_;
};

/// An unbuffered channel; one sender and one receiver.
class channel {
 public:
  class send_op {
   public:
    send_op(channel& c, std::uint64_t v) noexcept : c_(c), v_(v) {}
    bool await_ready() noexcept {
      if (c_.receiver_ == nullptr) return false;
      *c_.slot_ = v_;
      ready.push(*std::exchange(c_.receiver_, nullptr));
      return true;
    }
    void await_suspend(frame f) noexcept {
      c_.sender_ = &f.promise();
      c_.slot_ = &v_;
    }
    void await_resume() const noexcept {}

   private:
    channel& c_;
    std::uint64_t v_;
  };
  class recv_op {
   public:
    explicit recv_op(channel& c) noexcept : c_(c) {}
    bool await_ready() noexcept {
      if (c_.sender_ == nullptr) return false;
      v_ = *c_.slot_;
      ready.push(*std::exchange(c_.sender_, nullptr));
      return true;
    }
    void await_suspend(frame f) noexcept {
      c_.receiver_ = &f.promise();
      c_.slot_ = &v_;
    }
    std::uint64_t await_resume() const noexcept { return v_; }

   private:
    channel& c_;
    std::uint64_t v_ = 0;
  };

  send_op send(std::uint64_t v) noexcept { return {*this, v}; }
  recv_op recv() noexcept { return recv_op(*this); }

 private:
  promise* sender_ = nullptr;
  promise* receiver_ = nullptr;
  std::uint64_t* slot_ = nullptr;  // of the one that waits
};

/// Is not inlined, so that the compiler cannot see through the frame.
[[gnu::noinline]] coroutine callee(std::uint64_t i) {
  co_return i;
}

coroutine call(meter* m, std::uint64_t n) {
  std::uint64_t sum = 0;
  m->start();
  for (std::uint64_t i = 0; i < n; ++i) {
    const coroutine c = callee(i);
    ready.push(c.handle.promise());
    sum += co_await join(c);
  }
  m->stop();
  co_return sum;
}

coroutine batch(meter* m, std::uint64_t n) {
  std::vector<coroutine> all;
  all.reserve(n);
  std::uint64_t sum = 0;
  m->start();
  for (std::uint64_t i = 0; i < n; ++i) {
    all.push_back(callee(i));
    ready.push(all.back().handle.promise());
  }
  for (const coroutine& c : all)
    sum += co_await join(c);
  all.clear();
  m->stop();
  co_return sum;
}

coroutine echo(channel* there, channel* back, std::uint64_t n) {
  for (std::uint64_t i = 0; i < n; ++i) {
    const std::uint64_t v = co_await there->recv();
    co_await back->send(v + 1);
  }
  co_return n;
}

coroutine play(meter* m, std::uint64_t n) {
  channel there;
  channel back;
  const coroutine partner = echo(&there, &back, n);
  ready.push(partner.handle.promise());
  std::uint64_t sum = 0;
  m->start();
  for (std::uint64_t i = 0; i < n; ++i) {
    co_await there.send(i);
    sum += co_await back.recv();
  }
  m->stop();
  sum += co_await join(partner);
  co_return sum;
}

template <coroutine (*Main)(meter*, std::uint64_t)>
void alone(meter& m, int workers, std::uint64_t n) {
  if (workers != 1) return m.skip();
  const coroutine main_routine = Main(&m, n);
  ready.push(main_routine.handle.promise());
  ready.run();
  keep(main_routine.handle.promise().value);
}

constexpr served_row served[] = {
    {"create_await_destroy", alone<call>},
    {"spawn_one", alone<call>},
    {"spawn_batch", alone<batch>},
    {"ping_pong", alone<play>},
};

}  // namespace

std::span<const served_row> raw_rows() {
  return served;
}

}  // namespace perf
