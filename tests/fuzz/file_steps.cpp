// SPDX-License-Identifier: MIT
// Steps of programs on files and pipes: a file holds what was written to it, a pipe loses no byte.
#include <sluice/fs/file.hpp>

#include "fuzz/steps.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include <fmt/format.h>

using namespace sluice;

namespace sluice_fuzz {

namespace {

constexpr std::size_t file_size = 256;

/// What a file must hold; a routine has its files to itself.
struct mirror {
  std::array<char, file_size> bytes{};
  std::size_t size = 0;
  std::size_t position = 0;

  void put(std::size_t at, std::span<const char> from) {
    std::copy(from.begin(), from.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
    size = std::max(size, at + from.size());
  }
  bool holds(std::size_t at, std::span<const char> got) const {
    return std::equal(got.begin(), got.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
  }
  std::size_t left(std::size_t at, std::size_t wanted) const {
    return at < size ? std::min(wanted, size - at) : 0;
  }
};

bool says(const result<std::size_t>& r, std::size_t n) {
  return r.has_value() && *r == n;
}

task<> write_some(world& w, actor& a, const fs::file& f, mirror& m) {
  std::array<char, 64> bytes;
  const std::size_t n = 1 + a.rng.below(bytes.size());
  for (char& b : bytes)
    b = static_cast<char>(a.rng.below(256));
  const std::span<const char> from(bytes.data(), n);
  const bool positioned = a.rng.below(2) == 0;
  const std::size_t at = positioned ? a.rng.below(file_size - 64) : m.position;
  if (at + n > file_size) co_return;
  const std::array<io::const_buffer, 2> halves{io::const_buffer(bytes.data(), n / 2),
                                               io::const_buffer(bytes.data() + n / 2, n - n / 2)};
  const bool vectored = a.rng.below(2) == 0;
  result<std::size_t> done = std::size_t{0};
  static_cast<void>(w.begins(a, wait_for::operation));
  if (vectored && positioned) {
    done = co_await f.pwritev(halves, at);
  } else if (vectored) {
    done = co_await f.writev(halves);
  } else if (positioned) {
    done = co_await f.pwrite(from, at);
  } else {
    done = co_await f.write(from);
  }
  w.went_on(a);
  w.expect(says(done, n), a, "wrote to a file, and the result is wrong");
  m.put(at, from);
  if (!positioned) m.position += n;
}

task<> read_some(world& w, actor& a, const fs::file& f, mirror& m) {
  std::array<char, 96> bytes;
  const bool positioned = a.rng.below(2) == 0;
  const std::size_t at = positioned ? a.rng.below(file_size) : m.position;
  const bool vectored = a.rng.below(2) == 0;
  const std::array<io::mutable_buffer, 2> parts{io::mutable_buffer(bytes.data(), 32),
                                                io::mutable_buffer(bytes.data() + 32, 64)};
  result<std::size_t> got = std::size_t{0};
  static_cast<void>(w.begins(a, wait_for::operation));
  if (vectored && positioned) {
    got = co_await f.preadv(parts, at);
  } else if (vectored) {
    got = co_await f.readv(parts);
  } else if (positioned) {
    got = co_await f.pread(bytes, at);
  } else {
    got = co_await f.read(bytes);
  }
  w.went_on(a);
  const std::size_t n = m.left(at, bytes.size());
  w.expect(says(got, n) && m.holds(at, std::span<const char>(bytes.data(), n)), a,
           "read from a file what is not in it");
  if (!positioned) m.position += n;
}

task<> ask_size(world& w, actor& a, const fs::file& f, const mirror& m) {
  static_cast<void>(w.begins(a, wait_for::operation));
  const result<std::uint64_t> size = co_await f.size();
  w.went_on(a);
  w.expect(size.has_value() && *size == m.size, a, "is told a wrong size of a file");
}

task<> write_pipe(world& w, actor& a, pipe& p) {
  std::array<char, 6000> bytes;
  const std::size_t n = 1 + a.rng.below(a.rng.below(3) == 0 ? bytes.size() : 40);
  std::uint64_t value = a.rng.next();
  for (std::size_t i = 0; i != n; ++i)
    bytes[i] = static_cast<char>(value += 0x55);
  const fs::file to = fs::file::borrow(p.out);
  const io::const_buffer from(bytes.data(), n);
  if (w.begins(a, wait_for::operation)) {
    a.stream = &p;
    a.writes = true;
  }
  const result<std::size_t> done = co_await to.write(from);
  w.went_on(a);
  w.expect(done.has_value() && *done > 0 && *done <= n, a, "wrote to a pipe, and got an error");
  if (!done) co_return;
  p.written += *done;
  for (std::size_t i = 0; i != *done; ++i)
    p.written_sum += static_cast<unsigned char>(bytes[i]);
  w.note(what::piped, a, 1, static_cast<std::int64_t>(*done));
}

task<> read_pipe(world& w, actor& a, pipe& p) {
  std::array<char, 3000> bytes;
  const std::size_t most = 1 + a.rng.below(a.rng.below(3) == 0 ? bytes.size() : 40);
  const fs::file from = fs::file::borrow(p.in);
  const io::mutable_buffer to(bytes.data(), most);
  if (w.begins(a, wait_for::operation)) {
    a.stream = &p;
    a.writes = false;
  }
  const result<std::size_t> got = co_await from.read(to);
  w.went_on(a);
  w.expect(got.has_value() && *got > 0 && *got <= most, a, "read from a pipe, and got an error");
  if (!got) co_return;
  p.read += *got;
  for (std::size_t i = 0; i != *got; ++i)
    p.read_sum += static_cast<unsigned char>(bytes[i]);
  w.note(what::piped, a, 0, static_cast<std::int64_t>(*got));
}

}  // namespace

task<> use_file(world& w, actor& a) {
  guard frame;
  const std::string path = fmt::format("{}/{}", w.limit.dir, a.id);
  static_cast<void>(w.begins(a, wait_for::operation));
  result<fs::file> f = co_await fs::file::create(path);
  w.went_on(a);
  w.expect(f.has_value(), a, "cannot make a file");
  if (!f) co_return;
  mirror m;
  const std::uint32_t own = 1 + a.rng.below(6);
  for (std::uint32_t i = 0; i != own && w.take_step(); ++i) {
    switch (a.rng.below(5)) {
      case 0:
      case 1:
        co_await write_some(w, a, *f, m);
        break;
      case 2:
      case 3:
        co_await read_some(w, a, *f, m);
        break;
      default:
        co_await ask_size(w, a, *f, m);
        break;
    }
  }
  const result<void> closed = f->close();
  w.expect(closed.has_value(), a, "cannot close a file");
  w.note(what::filed, a, static_cast<std::int64_t>(m.size));
}

task<> use_pipe(world& w, actor& a) {
  guard frame;
  pipe& p = w.pipes[a.rng.below(static_cast<std::uint32_t>(w.pipes.size()))];
  if (a.rng.below(2) == 0) {
    co_await write_pipe(w, a, p);
  } else {
    co_await read_pipe(w, a, p);
  }
}

}  // namespace sluice_fuzz
