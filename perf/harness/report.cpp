// SPDX-License-Identifier: MIT
#include "harness/report.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <sys/utsname.h>
#include <unistd.h>

namespace perf {

namespace {

std::string cpu_name() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string text; std::getline(in, text);) {
    const auto colon = text.find(": ");
    if (text.compare(0, 10, "model name") == 0 && colon != std::string::npos) {
      return text.substr(colon + 2);
    }
  }
  return "unknown CPU";
}

/// Three significant digits or so, never in powers of ten.
std::string number(double v) {
  const double size = std::abs(v);
  if (size == 0) return "0";
  if (size >= 100) return fmt::format("{:.0f}", v);
  if (size >= 10) return fmt::format("{:.1f}", v);
  if (size >= 0.01) return fmt::format("{:.2f}", v);
  return fmt::format("{:.4f}", v);
}

std::string number(const std::optional<double>& v) {
  return v ? number(*v) : "";
}

std::string remark(const line& l, const std::vector<line>& beside) {
  if (l.who != sluice_name) {
    const line& own = beside.front();
    if (own.who != sluice_name || own.value.median == 0) return "";
    return fmt::format("{} x sluice", number(l.value.median / own.value.median));
  }
  const auto v = judge(l, beside);
  if (!v) return "";
  const std::string to = l.at_most.who.empty() ? "" : fmt::format(" x {}", l.at_most.who);
  return fmt::format("{}: {}{}, aim {}", v->reached ? "reached" : "SHORT", number(v->ratio), to,
                     number(l.at_most.most));
}

}  // namespace

std::optional<verdict> judge(const line& of, const std::vector<line>& beside) {
  if (of.who != sluice_name || of.at_most.most == 0) return std::nullopt;
  if (of.at_most.who.empty()) {
    return verdict{of.value.median, of.value.median <= of.at_most.most};
  }
  for (const line& l : beside) {
    if (l.row != of.row || l.workers != of.workers || l.who != of.at_most.who) continue;
    if (l.value.median == 0) continue;
    const double ratio = of.value.median / l.value.median;
    return verdict{ratio, ratio <= of.at_most.most};
  }
  return std::nullopt;
}

void print_head() {
  utsname u{};
  ::uname(&u);
#if defined(__clang__)
  constexpr const char* compiler = "clang " __clang_version__;
#else
  constexpr const char* compiler = "g++ " __VERSION__;
#endif
  fmt::print("{}, {} CPUs, Linux {}, {}\n\n", cpu_name(), ::sysconf(_SC_NPROCESSORS_ONLN),
             u.release, compiler);
  fmt::print("{:<12} {:<24} {:>2} {:<14} {:>9} {:>8} {:>9} {:>9} {:<8} {:>7} {:>8} {:>7} {:>7}\n",
             "group", "row", "w", "who", "median", "mad", "min", "max", "unit", "allocs",
             "syscalls", "wakeups", "instr");
}

void print_lines(const std::vector<line>& lines) {
  for (const line& l : lines) {
    const bool first = &l == &lines.front();
    const std::string text = fmt::format(
        "{:<12} {:<24} {:>2} {:<14} {:>9} {:>8} {:>9} {:>9} {:<8} {:>7} {:>8} {:>7} {:>7}  {}",
        first ? l.group : "", first ? l.row : "", first ? fmt::format("{}", l.workers) : "", l.who,
        number(l.value.median), number(l.value.mad), number(l.value.min), number(l.value.max),
        l.unit, number(l.allocs), number(l.syscalls), number(l.wakeups), number(l.instructions),
        remark(l, lines));
    fmt::print("{}\n", text.substr(0, text.find_last_not_of(' ') + 1));
  }
  std::fflush(stdout);
}

void print_foot(const std::vector<line>& all) {
  int reached = 0;
  std::vector<std::string> missed;
  double noise = 0;
  std::string noisiest;
  for (const line& l : all) {
    if (const auto v = judge(l, all)) {
      if (v->reached) {
        ++reached;
      } else {
        missed.push_back(fmt::format("{} ({})", l.row, l.workers));
      }
    }
    if (l.who != null_name) continue;
    for (const line& own : all) {
      if (own.who != sluice_name || own.row != l.row || own.workers != l.workers) continue;
      const double off =
          own.value.median == 0 ? 0 : std::abs(l.value.median / own.value.median - 1);
      if (off <= noise) continue;
      noise = off;
      noisiest = fmt::format("{} ({})", l.row, l.workers);
    }
  }
  if (!noisiest.empty()) {
    fmt::print("\nnoise: sluice and {} differ by at most {:.0f} %, in {}\n", null_name, noise * 100,
               noisiest);
  }
  fmt::print("aims: {} of {} reached{}{}\n", reached, reached + static_cast<int>(missed.size()),
             missed.empty() ? "" : "; short: ", fmt::join(missed, ", "));
}

void write_json(const std::string& file, const std::vector<line>& all) {
  const auto count = [](const std::optional<double>& v) {
    return v ? nlohmann::ordered_json(*v) : nlohmann::ordered_json(nullptr);
  };
  auto list = nlohmann::ordered_json::array();
  for (const line& l : all) {
    list.push_back({{"group", l.group},
                    {"row", l.row},
                    {"who", l.who},
                    {"workers", l.workers},
                    {"unit", l.unit},
                    {"median", l.value.median},
                    {"min", l.value.min},
                    {"max", l.value.max},
                    {"mad", l.value.mad},
                    {"allocs", count(l.allocs)},
                    {"syscalls", count(l.syscalls)},
                    {"wakeups", count(l.wakeups)}});
  }
  std::ofstream out(file);
  out << list.dump(1) << '\n';
  out.close();
  if (!out) throw std::runtime_error(fmt::format("write {}: {}", file, std::strerror(errno)));
}

std::vector<line> read_json(const std::string& file) {
  std::ifstream in(file);
  if (!in) throw std::runtime_error(fmt::format("open {}: {}", file, std::strerror(errno)));
  std::vector<line> all;
  try {
    for (const auto& r : nlohmann::json::parse(in)) {
      line l;
      l.group = r.at("group").get<std::string>();
      l.row = r.at("row").get<std::string>();
      l.who = r.at("who").get<std::string>();
      l.workers = r.at("workers").get<int>();
      l.unit = r.at("unit").get<std::string>();
      l.value = {r.at("median").get<double>(), r.at("min").get<double>(), r.at("max").get<double>(),
                 r.at("mad").get<double>()};
      all.push_back(std::move(l));
    }
  } catch (const nlohmann::json::exception& e) {
    throw std::runtime_error(fmt::format("read {}: {}", file, e.what()));
  }
  return all;
}

}  // namespace perf
