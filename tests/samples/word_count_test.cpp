// SPDX-License-Identifier: MIT
// word_count against find, wc and a count that takes no short cuts.
#include "samples/program.hpp"
#include "support/files.hpp"
#include "support/skip.hpp"

#include <algorithm>
#include <cctype>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace sluice_test;
using nlohmann::json;
namespace stdfs = std::filesystem;

namespace {

struct totals {
  std::uint64_t files = 0, bytes = 0, lines = 0, words = 0;
  bool operator==(const totals&) const = default;
};

std::ostream& operator<<(std::ostream& out, const totals& t) {
  return out << t.files << " files, " << t.bytes << " bytes, " << t.lines << " lines, " << t.words
             << " words";
}

using frequencies = std::map<std::string, std::uint64_t>;

/// Counts a text byte by byte, as GNU wc does in the C locale.
void count(std::string_view text, totals& t, frequencies& listed) {
  std::string run;
  bool printable = false;
  const auto end_run = [&] {
    t.words += printable;
    if (printable && run.size() <= 255) ++listed[run];
    run.clear();
    printable = false;
  };
  ++t.files;
  t.bytes += text.size();
  for (const char c : text) {
    t.lines += c == '\n';
    if (c == ' ' || (c >= '\t' && c <= '\r')) {
      end_run();
    } else {
      run += c;
      printable = printable || (c > ' ' && c <= '~');
    }
  }
  end_run();
}

/// The n most frequent, as word_count orders them.
std::vector<std::pair<std::string, std::uint64_t>> first_of(const frequencies& all, std::size_t n) {
  std::vector<std::pair<std::string, std::uint64_t>> order(all.begin(), all.end());
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  if (order.size() > n) order.resize(n);
  return order;
}

ended word_count(std::vector<std::string> arguments, program how = {}) {
  how.arguments = std::move(arguments);
  how.arguments.insert(how.arguments.begin(), SLUICE_WORD_COUNT);
  return run_program(how);
}

totals totals_of(const json& j) {
  return {j.at("files"), j.at("bytes"), j.at("lines"), j.at("words")};
}

/// Parses, or fails with what the program said.
json parse(const ended& e, int code = 0) {
  REQUIRE_MESSAGE(e.code == code, e.err);
  return json::parse(e.out);
}

bool wc_ignores_unprintable_bytes() {
  return shell("printf '\\001' | wc -w") == "0\n";
}

/// find's and wc's totals of the regular files of a tree.
totals of_find_and_wc(const std::string& tree) {
  const std::string files = "find '" + tree + "' -type f -print0";
  totals t;
  t.files = std::stoull(shell(files + " | tr -dc '\\0' | wc -c"));
  char end[8] = {};
  const std::string last = shell(files + " | wc --files0-from=- | tail -n 1");
  REQUIRE(std::sscanf(last.c_str(), "%lu %lu %lu %7s", &t.lines, &t.words, &t.bytes, end) == 4);
  REQUIRE(std::string(end) == "total");
  return t;
}

/// A file's worth of words from a small vocabulary, some of them long, with all kinds of white space.
std::string random_text(std::mt19937& random, std::size_t bytes) {
  constexpr std::string_view spaces = " \n\t\v\f\r";
  std::string text;
  while (text.size() < bytes) {
    const unsigned word = random() % 300;
    text += "w" + std::to_string(word * word);
    if (word % 50 == 0) text.append(random() % 400, 'x');
    do
      text += spaces[random() % (random() % 4 == 0 ? 6 : 2)];
    while (random() % 8 == 0);
  }
  return text;
}

std::string random_bytes(std::mt19937& random, std::size_t bytes) {
  std::string text(bytes, '\0');
  for (char& c : text)
    c = static_cast<char>(random());
  return text;
}

/// Files whose words are hard to cut: at and around the ends of buffers, longer than buffers, without
/// a printable byte, without an end.
std::vector<std::pair<std::string, std::string>> difficult_files() {
  std::mt19937 random(42);
  std::vector<std::pair<std::string, std::string>> files = {
      {"empty", ""},
      {"no-end", "ends without a newline"},
      {"begins", "joined with the file before?"},
      {"spaces", std::string(100'000, ' ')},
      {"nuls", std::string(1'000'000, '\0')},
      {"nuls-then-word", std::string(700'000, '\0') + "tail word\n"},
      {"word-then-nuls", "head" + std::string(700'000, '\0') + " \0 "},
      {"giant", std::string(1'000'000, 'g')},
      {"giant-and-more", std::string(600'000, 'g') + " a b " + std::string(600'000, 'h') + "\nc"},
      {"high", std::string(300'000, '\xe9') + "a" + std::string(300'000, '\xe9') + " \x80 \xff\n"},
      {"utf8", "na\xc3\xafve caf\xc3\xa9 \xc2\xa0 \xe3\x80\x80 \xc2\x85 x\n"},
      {"huge", random_text(random, 5'000'000)},
      {"binary", random_bytes(random, 3'000'000)},
  };
  for (int i = -3; i <= 3; ++i) {  // the buffer's size, less what is put there before
    const auto at = static_cast<std::size_t>(256 * 1024 + i);
    files.emplace_back("cut" + std::to_string(i), std::string(at, ' ') + "one two");
    files.emplace_back("dense" + std::to_string(i), std::string(at, 'd') + " e");
  }
  for (int i = 0; i < 300; ++i) {
    files.emplace_back("small" + std::to_string(i), random_text(random, random() % 3000));
  }
  return files;
}

}  // namespace

TEST_SUITE_BEGIN("samples/word_count");

TEST_CASE("word_count: agrees with find, wc and a plain count on a difficult tree") {
  temp_dir dir;
  totals expected;
  frequencies words;
  const std::vector<std::string> folders = {"", "a/", "new\nline/", "\xff/", "a/b/c/d/", " /"};
  for (const auto& f : folders)
    stdfs::create_directories(dir.path(f));
  std::size_t i = 0;
  for (const auto& [name, text] : difficult_files()) {
    dir.put(folders[i++ % folders.size()] + name, text);
    count(text, expected, words);
  }
  ::mkfifo(dir.path("fifo").c_str(), 0600);
  ::symlink("..", dir.path("a/up").c_str());
  ::symlink("huge", dir.path("link").c_str());
  if (wc_ignores_unprintable_bytes()) CHECK(of_find_and_wc(dir.path()) == expected);

  for (const std::string backend : {"auto", "epoll"}) {
    for (const std::string workers : {"1", "2", "64"}) {
      CAPTURE(backend);
      CAPTURE(workers);
      const ended e = word_count({"--json", "--top", "100", "--workers", workers, dir.path()},
                                 {{}, "/dev/null", {"SLUICE_BACKEND=" + backend}});
      const json j = parse(e);
      CHECK(e.err.empty());
      CHECK(totals_of(j) == expected);
      CHECK(j.at("unreadable") == 0);
      const auto order = first_of(words, 100);
      REQUIRE(j.at("top").size() == order.size());
      for (std::size_t at = 0; at < order.size(); ++at) {
        CHECK(j.at("top")[at].at("word") == order[at].first);
        CHECK(j.at("top")[at].at("count") == order[at].second);
      }
    }
  }
}

TEST_CASE("word_count: agrees with find and wc on /usr/include") {
  if (!wc_ignores_unprintable_bytes()) return skip("wc counts unprintable words: coreutils > 9.4");
  const json j = parse(word_count({"--json", "--top", "3"}));
  CHECK(totals_of(j) == of_find_and_wc("/usr/include"));
  CHECK(j.at("top").size() == 3);
}

TEST_CASE("word_count: prints one JSON object with these members and no other") {
  temp_dir dir;
  dir.put("a", "b a b \xff\xfe! c\n");
  const json j = parse(word_count({"--json", dir.path()}));
  std::vector<std::string> names;
  for (const auto& [name, value] : j.items())
    names.push_back(name);
  CHECK(names == std::vector<std::string>{"bytes", "files", "lines", "seconds", "top", "unreadable",
                                          "words"});
  CHECK(j.at("seconds") > 0);
  const json top =
      json::parse(R"([{"word":"b","count":2},{"word":"a","count":1},{"word":"c","count":1},)"
                  "{\"word\":\"\xef\xbf\xbd\xef\xbf\xbd!\",\"count\":1}]");
  CHECK(j.at("top") == top);
}

TEST_CASE("word_count: prints a table with time, backend and workers") {
  temp_dir dir;
  dir.put("a", std::string(1500, '\n') + "tab\x01 tab\x01\n");
  const ended e =
      word_count({"--workers", "2", dir.path()}, {{}, "/dev/null", {"SLUICE_BACKEND=epoll"}});
  CHECK(e.code == 0);
  CHECK(e.err.empty());  // no progress: stderr is no terminal
  for (const char* line : {"\nlines                 1,501\n", "2  tab\\x01\n", " s, ",
                           "on epoll (asked for by SLUICE_BACKEND), 2 workers\n"}) {
    CHECK_MESSAGE(e.out.find(line) != e.out.npos, e.out);
  }
  CHECK(word_count({"--top", "0", dir.path()}).out.find("tab") == std::string::npos);
}

TEST_CASE("word_count: reads standard input, files and trees side by side") {
  temp_dir dir;
  const std::string in = dir.put("in", "one two\nthree");
  stdfs::create_directory(dir.path("d"));
  dir.put("d/x", "four\n");
  ::symlink("d", dir.path("link").c_str());
  json j = parse(word_count({"--json", "-"}, {{}, in}));
  CHECK(totals_of(j) == totals{1, 13, 1, 3});
  j = parse(word_count({"--json", "-", in, dir.path("d"), dir.path("link")}, {{}, in}));
  CHECK(totals_of(j) == totals{4, 36, 4, 8});
  j = json::parse(shell("seq 100000 | " SLUICE_WORD_COUNT " --json -"));
  CHECK(totals_of(j) == totals{1, 588895, 100000, 100000});
  j = json::parse(shell("mkfifo " + dir.path("p") + "; seq 10 > " + dir.path("p") + " & " +
                        SLUICE_WORD_COUNT + " --json " + dir.path("p")));
  CHECK(totals_of(j) == totals{1, 21, 10, 10});
}

TEST_CASE("word_count: what cannot be read is named and counted, and the rest is read") {
  temp_dir dir;
  stdfs::permissions(dir.path(), stdfs::perms(0755));
  const std::string good = dir.put("good", "fine\n");
  const std::string none = dir.path("none");
  ended e = word_count({"--json", none, good, "/proc/self/mem"});
  json j = parse(e, 1);
  CHECK(totals_of(j) == totals{1, 5, 1, 1});
  CHECK(j.at("unreadable") == 2);
  CHECK(e.said("word_count: stat " + none + ": No such file or directory\n"));
  CHECK(e.said("word_count: read /proc/"));
  CHECK(e.said("/mem: Input/output error\n"));

  if (::geteuid() != 0) return;
  stdfs::permissions(dir.put("secret", "x"), stdfs::perms(0));
  stdfs::create_directory(dir.path("closed"));
  stdfs::permissions(dir.path("closed"), stdfs::perms(0));
  e = word_count({"--json", dir.path()}, {{}, "/dev/null", {}, [] {
                                            return ::setgid(65534) == 0 && ::setuid(65534) == 0;
                                          }});
  if (e.code == 127) return;  // nobody may not enter the build tree
  j = parse(e, 1);
  CHECK(totals_of(j) == totals{1, 5, 1, 1});
  CHECK(j.at("unreadable") == 2);
  CHECK(e.said("word_count: open " + dir.path("secret") + ": Permission denied\n"));
  CHECK(e.said("word_count: open " + dir.path("closed") + ": Permission denied\n"));
}

TEST_CASE("word_count: Ctrl-C ends it at once, and what it has counted is printed") {
  // More than all of its buffers and the pipe hold has been taken: the rest was counted.
  constexpr std::size_t kept = 4 << 20;
  std::string text;
  while (text.size() < 2 * kept)
    text += "four words a line\n";
  for (const int signal : {SIGINT, SIGTERM}) {
    for (const std::string backend : {"auto", "epoll"}) {
      CAPTURE(signal);
      CAPTURE(backend);
      temp_dir dir;
      const std::string pipe = dir.path("pipe");
      REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
      int fd = -1;
      const ended e = run_program({{SLUICE_WORD_COUNT, "--json", "--workers", "2", pipe},
                                   "/dev/null",
                                   {"SLUICE_BACKEND=" + backend}},
                                  [&](pid_t child) {
                                    fd = ::open(pipe.c_str(), O_WRONLY | O_CLOEXEC);
                                    for (std::size_t at = 0; at < text.size();) {
                                      const ssize_t n =
                                          ::write(fd, text.data() + at, text.size() - at);
                                      if (n <= 0) break;
                                      at += static_cast<std::size_t>(n);
                                    }
                                    ::kill(child, signal);
                                  });
      ::close(fd);  // which it has not waited for
      const json j = parse(e, 128 + signal);
      const std::string name = signal == SIGINT ? "SIGINT" : "SIGTERM";
      CHECK(e.err == "word_count: interrupted by " + name + "; so far:\n");
      CHECK(j.at("files") == 0);
      CHECK(j.at("bytes") >= kept);
      CHECK(j.at("words") >= kept / 18 * 4);
      CHECK(j.at("words") <= text.size() / 18 * 4);
      CHECK(j.at("top").size() == 4);
    }
  }
}

TEST_CASE("word_count: wrong usage and output that cannot be written are told apart") {
  ended e = word_count({"--workers", "-1"});
  CHECK(e.code == 2);
  CHECK_FALSE(e.err.empty());
  e = word_count({"--top", "-1"});
  CHECK(e.code == 2);
  CHECK(e.said("--top"));
  e = word_count({"--bogus"});
  CHECK(e.code == 2);
  e = word_count({"--help"});
  CHECK(e.code == 0);
  e = word_count({"/dev/null"}, {{}, "/dev/null", {"SLUICE_BACKEND=kqueue"}});
  CHECK(e.code == 2);
  CHECK(e.said("SLUICE_BACKEND=kqueue: not a backend"));
  e = run_program({{"sh", "-c", SLUICE_WORD_COUNT " /dev/null >/dev/full"}});
  CHECK(e.code == 1);
  CHECK(e.said("word_count: write /dev/full: No space left on device"));
}

TEST_SUITE_END();
