// SPDX-License-Identifier: MIT
// What does it cost to read 4 KiB that the page cache holds, at random offsets? One routine per
// worker.
#include <sluice/fs/file.hpp>
#include <sluice/go.hpp>
#include <sluice/runtime.hpp>

#include "harness/bench.hpp"
#include "harness/process.hpp"
#include "harness/scratch_file.hpp"

#include <stdexcept>
#include <vector>

namespace {

sluice::task<std::uint64_t> read(const sluice::fs::file* f, std::uint64_t n) {
  alignas(16) char buffer[perf::scratch_file::block];
  std::uint64_t bytes = 0;
  for (std::uint64_t i = 0; i < n; ++i) {
    const std::uint64_t at =
        perf::scatter(i, perf::scratch_file::blocks) * perf::scratch_file::block;
    const auto got = co_await f->pread(buffer, at);
    if (!got) throw std::runtime_error(got.error().message());
    bytes += *got;
  }
  co_return bytes;
}

sluice::task<> all(perf::meter* m, int workers, std::uint64_t n) {
  const perf::scratch_file scratch;
  auto opened = co_await sluice::fs::file::open(scratch.path());
  if (!opened) throw std::runtime_error(opened.error().message());
  std::vector<sluice::join_handle<std::uint64_t>> handles(static_cast<std::size_t>(workers));
  std::uint64_t bytes = 0;
  m->start();
  for (auto& h : handles)
    h = sluice::go(read, &*opened, n / handles.size());
  for (auto& h : handles)
    bytes += co_await std::move(h);
  m->stop();
  perf::keep(bytes);
}

const perf::registration cached{{
    .group = "file_read",
    .name = "read_4k_cached",
    .run = [](perf::meter& m, int workers,
              std::uint64_t n) { sluice::run({.workers = workers}, all, &m, workers, n); },
}};

}  // namespace
