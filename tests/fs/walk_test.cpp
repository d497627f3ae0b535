// SPDX-License-Identifier: MIT
// fs::walk against what std::filesystem finds, and where it must not stop, follow or leak.
#include <sluice/fs/walk.hpp>
#include <sluice/sluice.hpp>

#include "io/child.hpp"
#include "support/files.hpp"
#include "support/skip.hpp"

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

using namespace sluice;
using namespace sluice_test;
namespace stdfs = std::filesystem;

namespace {

struct found {
  std::vector<std::string> paths;  // sorted
  std::vector<std::string> errors;
};

task<found> walk_all(std::string root) {
  found all;
  fs::walk tree(root);
  while (auto e = co_await tree.next()) {
    if (*e) {
      all.paths.emplace_back((*e)->path);
    } else {
      all.errors.push_back(e->error().message());
    }
  }
  auto end = co_await tree.next();
  CHECK_FALSE(end);  // the end stays the end
  std::sort(all.paths.begin(), all.paths.end());
  co_return all;
}

std::vector<std::string> expected(const std::string& root) {
  std::vector<std::string> paths;
  for (const auto& e : stdfs::recursive_directory_iterator(root))
    paths.push_back(e.path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace

TEST_SUITE_BEGIN("fs/walk");

TEST_CASE("walk: every entry of a tree comes once, with its kind, whatever its name") {
  on_all_reactors([]() -> task<> {
    temp_dir dir;
    for (const char* d : {"a", "a/b", "a/b/c", "empty", "new\nline", "\xff\xfe"}) {
      stdfs::create_directory(dir.path(d));
    }
    for (const char* f : {"x", "a/x", "a/b/c/..x", "new\nline/ ", "\xff\xfe/\x80", "-n", "a/*"}) {
      dir.put(f, "text");
    }
    ::mkfifo(dir.path("fifo").c_str(), 0600);
    ::symlink("..", dir.path("a/up").c_str());  // a loop, if it were followed
    ::symlink("nowhere", dir.path("dangling").c_str());

    const found all = co_await walk_all(dir.path());
    CHECK(all.errors.empty());
    CHECK(all.paths == expected(dir.path()));
    fs::walk tree(dir.path() + "/");  // the same without a second slash
    std::size_t directories = 0, files = 0, others = 0;
    while (auto e = co_await tree.next()) {
      REQUIRE(*e);
      const fs::entry& entry = **e;
      CHECK(entry.path.find("//") == entry.path.npos);
      directories += entry.kind == fs::file_kind::directory;
      files += entry.kind == fs::file_kind::regular;
      if (entry.name() == "up" || entry.name() == "dangling") {
        CHECK(entry.kind == fs::file_kind::symlink);
        ++others;
      }
      if (entry.name() == "fifo") {
        CHECK(entry.kind == fs::file_kind::fifo);
        ++others;
      }
    }
    CHECK(directories == 6);
    CHECK(files == 7);
    CHECK(others == 3);
  });
}

TEST_CASE("walk: a directory of many files and a tree of many directories come whole") {
  temp_dir dir;
  for (int i = 0; i < 5000; ++i)
    dir.put("file-with-a-name-of-some-length-" + std::to_string(i), "");
  for (int i = 0; i < 400; ++i) {
    stdfs::create_directories(dir.path("d" + std::to_string(i % 20) + "/e" + std::to_string(i)));
  }
  const auto wanted = expected(dir.path());
  CHECK(wanted.size() == 5420);
  for (const auto backend : {backend::automatic, backend::epoll}) {
    const found all = run({.workers = 2, .backend = backend}, walk_all, dir.path());
    CHECK(all.errors.empty());
    CHECK(all.paths == wanted);
  }
}

TEST_CASE("walk: /usr/include as std::filesystem sees it") {
  const found all = run(walk_all, std::string("/usr/include"));
  CHECK(all.errors.empty());
  CHECK(all.paths == expected("/usr/include"));
}

TEST_CASE("walk: a root that cannot be read is one error") {
  on_all_reactors([]() -> task<> {
    temp_dir dir;
    found all = co_await walk_all(dir.path("none"));
    CHECK(all.paths.empty());
    CHECK(all.errors ==
          std::vector<std::string>{"open " + dir.path("none") + ": No such file or directory"});
    all = co_await walk_all(dir.put("file", "x"));
    CHECK(all.errors == std::vector<std::string>{"open " + dir.path("file") + ": Not a directory"});
    all = co_await walk_all("");
    CHECK(all.errors == std::vector<std::string>{"open: No such file or directory"});
    all = co_await walk_all(std::string("a\0b", 3));
    CHECK(all.errors.size() == 1);
  });
}

TEST_CASE("walk: a root that is a symbolic link is followed") {
  on_all_reactors([]() -> task<> {
    temp_dir dir;
    stdfs::create_directory(dir.path("real"));
    dir.put("real/x", "");
    ::symlink("real", dir.path("link").c_str());
    const found all = co_await walk_all(dir.path("link"));
    CHECK(all.paths == std::vector<std::string>{dir.path("link/x")});
  });
}

TEST_CASE("walk: a directory that cannot be read is named, and the rest comes") {
  if (::geteuid() != 0) return skip("needs root to become somebody else");
  temp_dir dir;
  stdfs::permissions(dir.path(), stdfs::perms(0755));
  for (const char* d : {"closed", "open"})
    stdfs::create_directory(dir.path(d));
  dir.put("closed/x", "");
  dir.put("open/y", "");
  stdfs::permissions(dir.path("closed"), stdfs::perms(0));
  const child_end end = in_child([&] {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) return 1;
    const found all = run({.workers = 1}, walk_all, dir.path());
    for (const auto& e : all.errors)
      std::puts(e.c_str());
    return all.paths.size() == 3 ? 0 : 2;
  });
  CHECK_MESSAGE(end.exited_with(0), end.text);
  CHECK(end.text == "open " + dir.path("closed") + ": Permission denied\n");
}

TEST_CASE("walk: one that is given up half-way closes its directory") {
  temp_dir dir;
  for (int i = 0; i < 200; ++i)
    dir.put(std::to_string(i), "");
  const std::size_t before = open_descriptors();
  on_all_reactors([&dir]() -> task<> {
    fs::walk tree(dir.path());
    for (int i = 0; i < 40; ++i)
      static_cast<void>(co_await tree.next());
    fs::walk moved = std::move(tree);
    auto e = co_await moved.next();
    CHECK(e);
  });
  CHECK(open_descriptors() == before);
}

TEST_SUITE_END();
