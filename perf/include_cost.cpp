// SPDX-License-Identifier: MIT
// What does including sluice cost a translation unit that does nothing else: lines after
// preprocessing, and seconds of the compiler (syntax only), with g++?
#include "harness/bench.hpp"

#include <array>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

#include <fmt/format.h>

namespace {

/// Runs a shell command. Returns: how many lines it printed. Throws if it fails.
std::uint64_t lines_of(const std::string& command) {
  FILE* const out = ::popen(command.c_str(), "r");
  if (out == nullptr) throw std::runtime_error("cannot run " + command);
  std::uint64_t lines = 0;
  std::array<char, 65536> buffer;
  for (std::size_t got = 0; (got = std::fread(buffer.data(), 1, buffer.size(), out)) != 0;) {
    for (std::size_t i = 0; i < got; ++i)
      lines += buffer[i] == '\n' ? 1 : 0;
  }
  if (::pclose(out) != 0) throw std::runtime_error("failed: " + command);
  return lines;
}

void include(perf::meter& m, std::string_view header) {
  const auto compile = [&](std::string_view how) {
    return fmt::format("echo '#include <sluice/{}>' | g++ -std=c++20 '-I{}' -x c++ {} -", header,
                       SLUICE_PERF_INCLUDE, how);
  };
  m.set("lines", static_cast<double>(lines_of(compile("-E"))));
  const std::uint64_t began = perf::now_ns();
  lines_of(compile("-fsyntax-only"));
  m.set("time", static_cast<double>(perf::now_ns() - began) / 1e9);
}

const perf::registration all_of_it{{
    .group = "include_cost",
    .name = "include_sluice",
    .workers = {1},
    .run = [](perf::meter& m, int, std::uint64_t) { include(m, "sluice.hpp"); },
    .n = 1,
    .figures = {{"lines", "lines", {1, 80'000, ""}}, {"time", "s", {1, 1.0, ""}}},
}};

const perf::registration tasks{{
    .group = "include_cost",
    .name = "include_task",
    .workers = {1},
    .run = [](perf::meter& m, int, std::uint64_t) { include(m, "task.hpp"); },
    .n = 1,
    .figures = {{"lines", "lines", {1, 40'000, ""}}, {"time", "s"}},
}};

}  // namespace
