// SPDX-License-Identifier: MIT
// What the tests of files share: a directory of their own, and every way of doing I/O in turn.
#pragma once

#include <sluice/runtime.hpp>
#include <sluice/task.hpp>
#include <sluice/testing/bubble.hpp>

#include "support/faulty_rings.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include <doctest/doctest.h>

namespace sluice_test {

/// A directory that goes, with all in it, when the test ends.
class temp_dir {
 public:
  temp_dir() : temp_dir(std::filesystem::temp_directory_path()) {}
  explicit temp_dir(const std::filesystem::path& parent) {
    std::string name = (parent / "sluice-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = name;
  }
  temp_dir(const temp_dir&) = delete;
  temp_dir& operator=(const temp_dir&) = delete;
  ~temp_dir() {
    std::error_code ignored;
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all, ignored);
    std::filesystem::remove_all(path_, ignored);
  }

  std::string path(std::string_view name = {}) const {
    return name.empty() ? path_ : path_ + "/" + std::string(name);
  }

  std::string put(std::string_view name, std::string_view content) const {
    const std::string at = path(name);
    std::ofstream(at, std::ios::binary) << content;
    return at;
  }
  std::string get(std::string_view name) const {
    std::ifstream in(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  std::string path_;
};

inline std::size_t open_descriptors() {
  std::size_t n = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++n;
  }
  return n;
}

/// Whether workers can have a ring here, and SLUICE_BACKEND does not say otherwise.
inline bool has_io_uring() {
  try {
    sluice::executor ex{{.workers = 1, .backend = sluice::backend::io_uring}};
    return ex.info().backend == sluice::backend::io_uring;
  } catch (const std::system_error&) {
    return false;
  }
}

/// Runs f() on a ring (where there is one), and on epoll and the pool, each with one and two workers.
/// f: a copyable callable that returns task<>.
template <class F>
void on_sound_reactors(F f) {
  for (const auto backend : {sluice::backend::io_uring, sluice::backend::epoll}) {
    if (backend == sluice::backend::io_uring && !has_io_uring()) continue;
    for (const int workers : {1, 2}) {
      CAPTURE(to_string(backend));
      CAPTURE(workers);
      sluice::run({.workers = workers, .backend = backend}, f);
    }
  }
}

/// The same, and on tiny rings that fail, of which f must not notice anything.
template <class F>
void on_real_reactors(F f) {
  on_sound_reactors(f);
  if (has_io_uring()) on_faulty_rings(f);
}

/// The same, and in bubbles of several seeds.
template <class F>
void on_all_reactors(F f) {
  on_real_reactors(f);
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    CAPTURE(seed);
    sluice::testing::bubble(f, {.seed = seed});
  }
}

}  // namespace sluice_test
