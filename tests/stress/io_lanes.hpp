// SPDX-License-Identifier: MIT
// Lanes: routines that do I/O and are stopped at any moment, and what must be so all the same.
//
//   stream   one routine writes a known sequence to a pipe, one reads it; both are stopped and started
//            again: the sequence is whole, so no byte was lost, doubled or moved
//   store    one routine writes to a file and reads it back: the file holds what the results said
//   opens    files are made, opened, asked for, closed: no descriptor is left
// A lane's state is its current routine's alone: a new one is started when the old one was joined.
// An operation that ended stopped has had no effect; one that fails with an injected error neither.
#pragma once

#include <sluice/fs/file.hpp>
#include <sluice/go.hpp>
#include <sluice/routine.hpp>
#include <sluice/sluice.hpp>

#include "base/random.hpp"
#include "support/counted.hpp"
#include "support/unwinding.hpp"
#include "support/watchdog.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace sluice_test {

/// What all lanes of a run count.
struct lane_tally {
  std::atomic<unsigned long> stopped{0};
  std::atomic<unsigned long> bytes{0};
  std::atomic<unsigned long> opened{0};
  std::atomic<unsigned long> refused{0};  // operations that failed with an injected error
  std::atomic<unsigned long> wrong{0};
  std::atomic<unsigned> wrong_at{0};  // line of the first check in this file that failed
};

class lane {
 public:
  lane(std::uint64_t seed, lane_tally& tally, watchdog& dog)
      : random(seed), tally_(tally), dog_(dog) {}
  lane(const lane&) = delete;
  lane& operator=(const lane&) = delete;
  virtual ~lane() = default;

  /// One of the lane's routines: works until it is stopped, or until the lane's work is done.
  virtual sluice::task<> work(int which, sluice::detail::random dice) = 0;
  virtual int routines() const = 0;
  /// All routines have ended, and were not stopped in the last round.
  virtual void check() = 0;

  sluice::detail::random random;  // the supervisor's

 protected:
  void expect(bool right, std::source_location at = std::source_location::current()) {
    if (!right && tally_.wrong.fetch_add(1) == 0) tally_.wrong_at.store(at.line());
  }
  /// Whether an operation succeeded; if not, it must be by an injected error.
  template <class T>
  bool served(const sluice::result<T>& r,
              std::source_location at = std::source_location::current()) {
    dog_.progress();
    if (r.has_value()) return true;
    expect(r.error() == std::errc::not_enough_memory ||
               r.error() == std::errc::resource_unavailable_try_again,
           at);
    tally_.refused.fetch_add(1);
    return false;
  }

  lane_tally& tally_;
  watchdog& dog_;
};

template <class Buffer>
std::array<Buffer, 2> halves(char* bytes, std::size_t n) {
  return {Buffer(bytes, n / 3), Buffer(bytes + n / 3, n - n / 3)};
}

class stream_lane final : public lane {
 public:
  stream_lane(std::uint64_t seed, lane_tally& t, watchdog& d, std::size_t bytes)
      : lane(seed, t, d), total_(bytes) {
    int ends[2] = {-1, -1};
    expect(::pipe2(ends, seed % 2 == 0 ? O_CLOEXEC : O_CLOEXEC | O_NONBLOCK) == 0);
    ::fcntl(ends[1], F_SETPIPE_SZ, 4096);  // soon full
    in_ = sluice::fs::file::adopt(ends[0]);
    out_ = sluice::fs::file::adopt(ends[1]);
  }

  int routines() const override { return 2; }
  sluice::task<> work(int which, sluice::detail::random dice) override {
    if (which == 0) {
      co_await write_on(dice);
    } else {
      co_await read_on(dice);
    }
  }
  void check() override {
    expect(written_ == total_ && read_ == total_);
    tally_.bytes.fetch_add(read_);
  }

 private:
  // Of a period that no buffer divides.
  static char byte_at(std::size_t i) { return static_cast<char>(i * 7 % 251); }

  sluice::task<> write_on(sluice::detail::random dice) {
    counted frame(1);
    std::array<char, 3000> bytes;
    while (written_ < total_) {
      const std::size_t n =
          std::min<std::size_t>(total_ - written_, 1 + dice.below(dice.below(2) == 0 ? 3000 : 64));
      for (std::size_t i = 0; i != n; ++i)
        bytes[i] = byte_at(written_ + i);
      const auto parts = halves<sluice::io::const_buffer>(bytes.data(), n);
      sluice::result<std::size_t> done = std::size_t{0};
      if (dice.below(2) == 0) {
        done = co_await out_.writev(parts);
      } else {
        done = co_await out_.write(std::span(bytes).first(n));
      }
      if (served(done)) written_ += *done;
      if (dice.below(8) == 0) co_await sluice::yield();
    }
  }

  sluice::task<> read_on(sluice::detail::random dice) {
    counted frame(1);
    std::array<char, 3000> bytes;
    while (read_ < total_) {
      const std::size_t most = 1 + dice.below(dice.below(2) == 0 ? 3000 : 64);
      const auto parts = halves<sluice::io::mutable_buffer>(bytes.data(), most);
      sluice::result<std::size_t> got = std::size_t{0};
      if (dice.below(2) == 0) {
        got = co_await in_.readv(parts);
      } else {
        got = co_await in_.read(std::span(bytes).first(most));
      }
      if (!served(got)) continue;
      for (std::size_t i = 0; i != *got; ++i)
        expect(bytes[i] == byte_at(read_ + i));
      read_ += *got;
      if (dice.below(8) == 0) co_await sluice::yield();
    }
  }

  const std::size_t total_;
  sluice::fs::file in_, out_;
  std::size_t written_ = 0;  // owner: the writing routine
  std::size_t read_ = 0;     // owner: the reading routine
};

class store_lane final : public lane {
 public:
  store_lane(std::uint64_t seed, lane_tally& t, watchdog& d, const std::string& path, int steps)
      : lane(seed, t, d), left_(steps), mirror_(file_size, '.') {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    expect(::pwrite(fd, mirror_.data(), file_size, 0) == static_cast<ssize_t>(file_size));
    file_ = sluice::fs::file::adopt(fd);
  }

  int routines() const override { return 1; }
  sluice::task<> work(int /*which*/, sluice::detail::random dice) override {
    counted frame(1);
    settle_unfinished();
    for (; left_ > 0; --left_) {
      switch (dice.below(16)) {
        case 0:
          co_await sync(dice);
          break;
        case 1:
        case 2:
        case 3:
          co_await write_whole(dice);
          break;
        case 4:
        case 5:
        case 6:
          co_await read_whole(dice);
          break;
        case 7:
        case 8:
        case 9:
        case 10:
          co_await write_part(dice);
          break;
        default:
          co_await read_part(dice);
          break;
      }
    }
  }
  void check() override {
    settle_unfinished();
    std::string now(file_size + 1, '\0');
    expect(::pread(file_.fd(), now.data(), now.size(), 0) == static_cast<ssize_t>(file_size));
    now.resize(file_size);
    expect(now == mirror_);
    tally_.bytes.fetch_add(file_size);
  }

 private:
  static constexpr std::size_t file_size = 30'000;
  static constexpr std::size_t most = 5'000;

  /// A write of all that was stopped part-way has written its first bytes, or none.
  void settle_unfinished() {
    if (unfinished_.empty()) return;
    std::string now(unfinished_.size(), '\0');
    expect(::pread(file_.fd(), now.data(), now.size(), static_cast<off_t>(unfinished_at_)) ==
           static_cast<ssize_t>(now.size()));
    const auto [differs, ours] = std::mismatch(now.begin(), now.end(), unfinished_.begin());
    const auto kept = static_cast<std::size_t>(differs - now.begin());
    expect(now.compare(kept, now.npos, mirror_, unfinished_at_ + kept, now.size() - kept) == 0);
    mirror_.replace(unfinished_at_, now.size(), now);
    unfinished_.clear();
  }

  /// Letters that differ from what is there, so that each byte tells whether it was written.
  std::string other_bytes(std::size_t at, std::size_t n) const {
    std::string text = mirror_.substr(at, n);
    for (char& c : text)
      c = c >= 'a' && c < 'z' ? static_cast<char>(c + 1) : 'a';
    return text;
  }

  sluice::task<> write_whole(sluice::detail::random& dice) {
    const std::size_t at = dice.below(file_size - most);
    unfinished_at_ = at;
    unfinished_ = other_bytes(at, 1 + dice.below(most));
    const sluice::result<void> done = co_await file_.pwrite_all(unfinished_, at);
    const std::size_t n = served(done) ? unfinished_.size() : done.error().transferred();
    expect(n <= unfinished_.size());
    mirror_.replace(at, n, unfinished_, 0, n);
    unfinished_.clear();
  }

  sluice::task<> read_whole(sluice::detail::random& dice) {
    const std::size_t at = dice.below(file_size - most);
    std::string text(1 + dice.below(most), '\0');
    const sluice::result<void> done = co_await file_.pread_exact(text, at);
    const std::size_t n = served(done) ? text.size() : done.error().transferred();
    expect(n <= text.size() && text.compare(0, n, mirror_, at, n) == 0);
  }

  sluice::task<> write_part(sluice::detail::random& dice) {
    const bool positioned = dice.below(2) == 0;
    if (position_ + most > file_size) co_return rewind();
    const std::size_t at = positioned ? dice.below(file_size - most) : position_;
    std::string text = other_bytes(at, 1 + dice.below(most));
    const auto parts = halves<sluice::io::const_buffer>(text.data(), text.size());
    sluice::result<std::size_t> done = std::size_t{0};
    if (positioned) {
      done = co_await file_.pwritev(parts, at);
    } else {
      done = co_await file_.write(text);
    }
    if (!served(done)) co_return;
    expect(*done > 0 && *done <= text.size());
    mirror_.replace(at, *done, text, 0, *done);
    if (!positioned) position_ += *done;
  }

  sluice::task<> read_part(sluice::detail::random& dice) {
    const bool positioned = dice.below(2) == 0;
    if (position_ + most > file_size) co_return rewind();
    const std::size_t at = positioned ? dice.below(file_size - most) : position_;
    std::string text(1 + dice.below(most), '\0');
    const auto parts = halves<sluice::io::mutable_buffer>(text.data(), text.size());
    sluice::result<std::size_t> got = std::size_t{0};
    if (positioned) {
      got = co_await file_.pread(text, at);
    } else {
      got = co_await file_.readv(parts);
    }
    if (!served(got)) co_return;
    expect(*got > 0 && *got <= text.size() && text.compare(0, *got, mirror_, at, *got) == 0);
    if (!positioned) position_ += *got;
  }

  /// Also a look whether the descriptor's position is where the results say.
  void rewind() {
    expect(::lseek(file_.fd(), 0, SEEK_CUR) == static_cast<off_t>(position_));
    ::lseek(file_.fd(), 0, SEEK_SET);
    position_ = 0;
  }

  sluice::task<> sync(sluice::detail::random& dice) {
    if (dice.below(8) == 0) {
      const sluice::result<void> done = co_await file_.fdatasync();
      static_cast<void>(served(done));
    } else {
      const sluice::result<std::uint64_t> size = co_await file_.size();
      if (served(size)) expect(*size == file_size);
    }
  }

  int left_;  // steps to go; owner, like all below: the routine
  sluice::fs::file file_;
  std::string mirror_;
  std::size_t position_ = 0;  // the descriptor's
  std::string unfinished_;    // what a write of all writes; empty: none is under way
  std::size_t unfinished_at_ = 0;
};

class open_lane final : public lane {
 public:
  open_lane(std::uint64_t seed, lane_tally& t, watchdog& d, std::string path, int steps)
      : lane(seed, t, d), left_(steps), path_(std::move(path)) {}

  int routines() const override { return 1; }
  sluice::task<> work(int /*which*/, sluice::detail::random dice) override {
    counted frame(1);
    for (; left_ > 0; --left_)
      co_await open_once(dice);
  }
  void check() override { expect(left_ == 0); }

 private:
  sluice::task<> open_once(sluice::detail::random& dice) {
    counted frame(1);
    sluice::fs::open_options how;
    how.write = how.create = true;
    how.truncate = dice.below(2) == 0;
    auto f = co_await sluice::fs::file::open(path_, how);
    if (!served(f)) co_return;
    tally_.opened.fetch_add(1);
    const sluice::result<std::size_t> put = co_await f->pwrite("once", 0);
    if (served(put)) expect(*put > 0 && *put <= 4);
    const auto info = co_await sluice::fs::stat(path_);
    if (served(info)) expect(info->kind == sluice::fs::file_kind::regular);
    auto again = co_await sluice::fs::file::open(path_);
    if (!served(again)) co_return;
    std::array<char, 8> bytes;
    const sluice::result<std::size_t> got = co_await again->read(bytes);
    if (served(got)) expect(*got <= 4);
    if (dice.below(2) == 0) expect(f->close().has_value());
  }

  int left_;
  std::string path_;
};

/// Starts the lane's routines again and again, stopping them at any moment; at last lets them end.
inline sluice::task<> supervise(lane* l, int times, lane_tally* tally) {
  const auto start = [](lane* of, int which, sluice::detail::random dice) -> sluice::task<> {
    co_await of->work(which, dice);
  };
  for (int i = 0; i <= times; ++i) {
    std::vector<sluice::join_handle<>> all;
    for (int which = 0; which != l->routines(); ++which)
      all.push_back(sluice::go(start, l, which, sluice::detail::random(l->random.next())));
    const bool last = i == times;
    for (std::size_t k = 0; k != all.size() && !last; ++k) {
      for (std::uint32_t n = l->random.below(8); n != 0; --n)
        co_await sluice::yield();
      // A trip to the pool and back: long enough for a worker to park, and for a ring to get on.
      for (std::uint32_t n = l->random.below(4); n != 0; --n)
        co_await sluice::blocking([] {});
      all[l->random.below(static_cast<std::uint32_t>(all.size()))].cancel();
    }
    for (auto& h : all) {
      if (!last) h.cancel();
      const bool stopped = co_await ends_stopped(std::move(h));
      if (stopped) tally->stopped.fetch_add(1);
    }
  }
  l->check();
}

}  // namespace sluice_test
