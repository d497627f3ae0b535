// SPDX-License-Identifier: MIT
// word_count where the machine gives little: sandboxes without io_uring, few descriptors, little
// locked memory, files and directories that are larger than what may be kept of them.
#include <sluice/config.hpp>

#include "samples/program.hpp"
#include "support/deny_syscalls.hpp"
#include "support/files.hpp"
#include "support/skip.hpp"

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace sluice_test;
using nlohmann::json;
namespace stdfs = std::filesystem;

namespace {

ended word_count(std::vector<std::string> arguments, program how = {}) {
  how.arguments = std::move(arguments);
  how.arguments.insert(how.arguments.begin(), SLUICE_WORD_COUNT);
  return run_program(how);
}

bool limit(int what, rlim_t n) {
  const rlimit both{n, n};
  return ::setrlimit(static_cast<__rlimit_resource>(what), &both) == 0;
}

/// As Docker's default profile.
bool deny_io_uring() {
  return deny_calls(
      {{SYS_io_uring_setup, EPERM}, {SYS_io_uring_enter, EPERM}, {SYS_io_uring_register, EPERM}});
}

/// KiB that a run may take at most. The sanitizers' own memory is not word_count's.
#if defined(SLUICE_ASAN) || defined(SLUICE_TSAN)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif
constexpr long most_memory = sanitized ? 4L << 20 : 64L << 10;

}  // namespace

TEST_SUITE_BEGIN("samples/word_count");

TEST_CASE("word_count: runs on epoll where a sandbox forbids io_uring, and says so") {
  temp_dir dir;
  const std::string file = dir.put("a", "one two\n");
  const ended e = word_count({"--workers", "2", file}, {{}, "/dev/null", {}, deny_io_uring});
  if (e.code == exit_unprepared) return skip("no seccomp filters here");
  CHECK(e.code == 0);
  CHECK_MESSAGE(e.out.find("words                     2\n") != e.out.npos, e.out);
  CHECK_MESSAGE(e.out.find("on epoll (io_uring") != e.out.npos, e.out);
  CHECK_MESSAGE(e.said("io_uring is not available"), e.err);
  CHECK(e.said("Operation not permitted"));
  CHECK(e.said("using epoll"));
}

TEST_CASE("word_count: asked for io_uring where a sandbox forbids it, it fails with the cause") {
  const ended e =
      word_count({"/dev/null"}, {{}, "/dev/null", {"SLUICE_BACKEND=io_uring"}, deny_io_uring});
  if (e.code == exit_unprepared) return skip("no seccomp filters here");
  CHECK(e.code == 2);
  CHECK(e.out.empty());
  CHECK_MESSAGE(e.said("word_count: io_uring: set-up failed"), e.err);
  CHECK(e.said("seccomp"));
  CHECK(e.said("Operation not permitted"));
}

TEST_CASE("word_count: 64 descriptors do for 2 workers, and are named where they do not") {
  temp_dir dir;
  for (int i = 0; i < 200; ++i)
    dir.put(std::to_string(i), "word\n");
  const auto few = [] { return limit(RLIMIT_NOFILE, 64); };
  for (const std::string backend : {"auto", "epoll"}) {
    for (const std::string workers : {"1", "2"}) {
      const ended e = word_count({"--json", "--workers", workers, dir.path()},
                                 {{}, "/dev/null", {"SLUICE_BACKEND=" + backend}, few});
      REQUIRE_MESSAGE(e.code == 0, e.err);
      CHECK(json::parse(e.out).at("files") == 200);
    }
    if (sanitized) continue;  // they open a pipe to look at an object, and fail it without one
    const ended e = word_count({"--workers", "64", dir.path()},
                               {{}, "/dev/null", {"SLUICE_BACKEND=" + backend}, few});
    CHECK(e.code == 2);
    CHECK_MESSAGE(e.said("Too many open files"), e.err);
  }
}

TEST_CASE("word_count: a user with 64 KiB of locked memory gets rings, or is told why not") {
  if (::geteuid() != 0) return skip("needs root to become somebody else");
  temp_dir dir;
  stdfs::permissions(dir.path(), stdfs::perms(0755));
  const std::string file = dir.put("a", "one\n");
  const auto little = [] {
    return limit(RLIMIT_MEMLOCK, 64 << 10) && ::setgid(65534) == 0 && ::setuid(65534) == 0;
  };
  ended e = word_count({"--json", "--workers", "1", file}, {{}, "/dev/null", {}, little});
  if (e.code == 127) return skip("nobody may not enter the build tree");
  CHECK_MESSAGE(e.code == 0, e.err);
  for (const std::string workers : {"2", "64"}) {
    e = word_count({"--workers", workers, file}, {{}, "/dev/null", {}, little});
    if (e.code == 0) continue;  // kernels from 5.12 to 6.13 do not count rings
    CHECK(e.code == 2);
    CHECK_MESSAGE(e.said("word_count: io_uring: set-up failed"), e.err);
    CHECK(e.said("RLIMIT_MEMLOCK (ulimit -l) = 64 KiB"));
    CHECK(e.said("Cannot allocate memory"));
  }
}

TEST_CASE("word_count: a file far larger than memory may hold takes little of it") {
  temp_dir dir;
  const std::string sparse = dir.put("sparse", "begin ");
  stdfs::resize_file(sparse, 256u << 20);
  std::ofstream(sparse, std::ios::app) << " end\n";
  const ended e = word_count({"--json", "--workers", "2", sparse});
  REQUIRE_MESSAGE(e.code == 0, e.err);
  const json j = json::parse(e.out);
  CHECK(j.at("bytes") == (256u << 20) + 5);
  CHECK(j.at("words") == 2);
  CHECK(j.at("lines") == 1);
  CHECK(e.peak < most_memory);
}

TEST_CASE("word_count: a sparse file of 2 GiB takes little memory [long]") {
  temp_dir dir;
  const std::string sparse = dir.put("sparse", "");
  stdfs::resize_file(sparse, std::uintmax_t{2} << 30);
  const ended e = word_count({"--json", sparse});
  REQUIRE_MESSAGE(e.code == 0, e.err);
  const json j = json::parse(e.out);
  CHECK(j.at("bytes") == std::uint64_t{2} << 30);
  CHECK(j.at("words") == 0);
  CHECK(e.peak < most_memory);
}

TEST_CASE("word_count: a directory of 100000 small files takes little memory [long]") {
  temp_dir dir;
  for (int i = 0; i < 100'000; ++i)
    dir.put(std::to_string(i), "a few words\n");
  for (const std::string backend : {"auto", "epoll"}) {
    const ended e =
        word_count({"--json", dir.path()}, {{}, "/dev/null", {"SLUICE_BACKEND=" + backend}});
    REQUIRE_MESSAGE(e.code == 0, e.err);
    const json j = json::parse(e.out);
    CHECK(j.at("files") == 100'000);
    CHECK(j.at("words") == 300'000);
    CHECK(j.at("top")[0] == json{{"count", 100'000}, {"word", "a"}});
    CHECK(e.peak < most_memory);
  }
}

TEST_CASE("word_count: more different words than may be kept: the frequent ones are found [long]") {
  temp_dir dir;
  {
    std::ofstream out(dir.path("many"));
    for (int i = 0; i < 4'000'000; ++i)
      out << (i % 4 == 0 ? "often " : "x") << i * 7919L << '\n';
  }
  const ended e = word_count({"--json", "--top", "1", "--workers", "1", dir.path()});
  REQUIRE_MESSAGE(e.code == 0, e.err);
  const json j = json::parse(e.out);
  CHECK(j.at("words") == 5'000'000);
  CHECK(j.at("top")[0] == json{{"count", 1'000'000}, {"word", "often"}});
  CHECK(e.peak < 5 * most_memory);
}

TEST_SUITE_END();
