// SPDX-License-Identifier: MIT
// Random programs of routines, channels, stops, sleeps, joins, exceptions and files, in trees of contexts,
// boundaries and groups, in bubbles: every step is held to a reference, and at the end nothing is lost,
// doubled or left.
//
// A program that fails is shrunk, and the command that runs it again is printed:
//   SLUICE_SEED=<seed> [SLUICE_FUZZ_STEPS=<n>] build/<preset>/tests/fuzz_tests --test-case='fuzz: short*'
// SLUICE_SEED: that program alone, with its history. SLUICE_FUZZ_STEPS: ended after so many steps.
// SLUICE_FUZZ_PROGRAMS: how many the case [long] runs, by default 10^6.
#include "fuzz/last_will.hpp"
#include "fuzz/program.hpp"
#include "support/files.hpp"
#include "support/seeds.hpp"
#include "support/watchdog.hpp"

#include <cstdint>
#include <filesystem>
#include <string>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <unistd.h>

using namespace sluice_fuzz;
using sluice_test::fresh_seed;
using sluice_test::number_of;
using sluice_test::replays;
using sluice_test::rounds;
using sluice_test::temp_dir;
using sluice_test::watchdog;

namespace {

/// A file system without a disk where there is one: a million programs make a million files.
std::filesystem::path place_for_files() {
  const std::filesystem::path memory = "/dev/shm";
  return ::access(memory.c_str(), W_OK) == 0 ? memory : std::filesystem::temp_directory_path();
}

class campaign {
 public:
  campaign() : dir_(place_for_files()), path_(dir_.path()), dog_("fuzz") {}

  /// Runs `n` programs. Returns: whether all is well.
  bool run(std::uint64_t first_seed, std::uint64_t n) {
    for (std::uint64_t seed = first_seed; seed != first_seed + n; ++seed) {
      if (!run_one(limits_of(seed))) return false;
    }
    return true;
  }

  bool run_one(const limits& l) {
    will_.now_runs(l.seed);
    dog_.progress();
    const verdict v = run_program(l);
    total_.add(v.count);
    ++programs_;
    if (!v.failure.empty()) {
      report(l, v.failure);
      return false;
    }
    constexpr std::uint64_t replayed_every = 8;
    if (l.seed % replayed_every == 0 && run_program(l).digest != v.digest) {
      report(l, "two runs of one seed differ");
      return false;
    }
    return true;
  }

  limits limits_of(std::uint64_t seed) const {
    limits l;
    l.seed = seed;
    l.steps = static_cast<int>(number_of("SLUICE_FUZZ_STEPS", 1 << 20));
    l.dir = seed % 2 == 0 ? path_.c_str() : nullptr;  // half of them do without system calls
    l.keeps_history = replays();
    return l;
  }

  const tally& total() const { return total_; }
  std::string summary() const {
    std::string text = fmt::format("{} programs:", programs_);
    for (std::size_t i = 0; i != total_.of.size(); ++i)
      text += fmt::format(" {} {}", total_.of[i], to_string(static_cast<what>(i)));
    return text;
  }

 private:
  static void report(const limits& l, const std::string& failure) {
    limits least = shrink(l);
    least.keeps_history = true;
    const verdict again = run_program(least);
    FAIL_CHECK(fmt::format(
        "{}\nIts last steps:\n{}\nReplay: SLUICE_SEED={} SLUICE_FUZZ_STEPS={} "
        "build/<preset>/tests/fuzz_tests --test-case='fuzz: short*'",
        again.failure.empty() ? failure : again.failure, again.history, least.seed, least.steps));
  }

  temp_dir dir_;
  std::string path_;
  last_will will_{"fuzz"};
  watchdog dog_;
  tally total_;
  std::uint64_t programs_ = 0;
};

/// A fuzz in which something never happens shows nothing about it.
void check_reach(const tally& t) {
  for (std::size_t i = 0; i != t.of.size(); ++i) {
    CAPTURE(to_string(static_cast<what>(i)));
    CHECK(t.of[i] > 0);
  }
  for (const wait_for kind : {wait_for::channel, wait_for::sleep, wait_for::join,
                              wait_for::operation, wait_for::turn, wait_for::done}) {
    CAPTURE(static_cast<int>(kind));
    CHECK(t.stopped_in[static_cast<std::size_t>(kind)] > 0);
    CHECK(t.won_in[static_cast<std::size_t>(kind)] > 0);
  }
  // That room comes in the very step of a stop is rare: some short campaigns have none.
  for (const wait_for kind : {wait_for::room, wait_for::group, wait_for::calm}) {
    CAPTURE(static_cast<int>(kind));
    CHECK(t.stopped_in[static_cast<std::size_t>(kind)] > 0);
  }
}

}  // namespace

TEST_SUITE("fuzz/bubble") {
  TEST_CASE("fuzz: short programs of fixed seeds and of fresh ones lose nothing") {
    campaign all;
    if (replays()) {
      CHECK(all.run_one(all.limits_of(number_of("SLUICE_SEED", 1))));
      MESSAGE(all.summary());
      return;
    }
    constexpr std::uint64_t programs = rounds(4'000);
    const std::uint64_t fresh = fresh_seed();
    MESSAGE("fresh seeds from ", fresh);
    const bool well = all.run(1, programs) && all.run(fresh, programs / 2);
    CHECK(well);
    MESSAGE(all.summary());
    if (well) check_reach(all.total());
  }

  TEST_CASE("fuzz: a million programs lose nothing [long]") {
    campaign all;
    const std::uint64_t fresh = fresh_seed();
    MESSAGE("fresh seeds from ", fresh);
    CHECK(all.run(
        fresh, number_of("SLUICE_FUZZ_PROGRAMS", static_cast<std::uint64_t>(rounds(1'000'000)))));
    MESSAGE(all.summary());
  }
}
