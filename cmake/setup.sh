# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Sourced by samples/run, tests/run, perf/run and .ci/run: what each does before its own work.
# Progress goes to stderr in short lines, the output of tools to build/<what>.log, which is shown
# when a tool fails; stdout is left to the program that the script runs.

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf 'sluice: %s\n' "$*" >&2; }
die() {
  say "$*"
  exit 1
}

# logged NAME COMMAND...: runs it with its output in build/NAME.log, shown on failure.
logged() {
  local log="$root/build/$1.log" status=0
  shift
  mkdir -p "$root/build"
  "$@" >"$log" 2>&1 </dev/null || status=$?
  if ((status != 0)); then
    cat -- "$log" >&2
    die "failed ($status): $*"
  fi
}

# What stands for a Debian package on a system that was set up in another way.
probe() {
  local header=''
  case $1 in
    g++ | cmake | ccache | valgrind) command -v "$1" ;;
    git) command -v git ;;
    ninja-build) command -v ninja ;;
    pkg-config) command -v pkg-config ;;
    clang-19) command -v clang++-19 ;;
    clang-format-19) command -v clang-format-19 ;;
    clang-tools-19) command -v clang-query-19 ;;
    llvm-19) command -v llvm-symbolizer-19 ;;
    libclang-rt-19-dev) [[ -n $(compgen -G "$(clang++-19 -print-resource-dir)/lib/*/libclang_rt.asan*.a") ]] ;;
    liburing-dev) header=liburing.h ;;
    libfmt-dev) header=fmt/core.h ;;
    doctest-dev) header=doctest/doctest.h ;;
    libcli11-dev) header=CLI/CLI.hpp ;;
    nlohmann-json3-dev) header=nlohmann/json.hpp ;;
    *) return 1 ;;
  esac >/dev/null 2>&1 || return 1
  [[ -z $header ]] || g++ -x c++ -E -include "$header" - </dev/null >/dev/null 2>&1
}

# need PACKAGE...: installs the Debian packages that are missing.
need() {
  local package missing=() installed=''
  if command -v dpkg-query >/dev/null; then
    installed=$(dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' -- "$@" 2>/dev/null) || true
  fi
  for package in "$@"; do
    grep -qx "installed $package" <<<"$installed" || probe "$package" || missing+=("$package")
  done
  ((${#missing[@]})) || return 0

  local become=()
  if ! command -v apt-get >/dev/null; then
    die "missing, and there is no apt-get here to install it (Debian package names): ${missing[*]}"
  elif ((EUID != 0)); then
    command -v sudo >/dev/null ||
      die "missing, and neither root nor sudo to install it: apt-get install ${missing[*]}"
    # apt-get's own input is closed, so a password is asked for here or never.
    if [[ -t 0 ]]; then sudo -v; else sudo -n -v 2>/dev/null; fi ||
      die "missing, and sudo refuses: sudo apt-get install ${missing[*]}"
    become=(sudo -n)
  fi
  say "installing ${missing[*]}"
  local apt=("${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y
    -o DPkg::Lock::Timeout=300)
  logged apt-update "${apt[@]}" update
  logged apt-install "${apt[@]}" install --no-install-recommends "${missing[@]}"
}

base_packages=(g++ cmake ninja-build pkg-config liburing-dev libfmt-dev libcli11-dev
  nlohmann-json3-dev)
test_packages=(doctest-dev git)
clang_packages=(clang-19 libclang-rt-19-dev llvm-19)

# build PRESET [TARGET...]: configures if need be, then builds into build/PRESET.
build() {
  local preset=$1 tree="$root/build/$1"
  shift
  mkdir -p "$tree"
  # Two scripts at once would run two builds in one tree.
  local lock
  exec {lock}>"$tree/.lock"
  if command -v flock >/dev/null && ! flock --nonblock "$lock"; then
    say "waiting for another build of $preset"
    flock "$lock"
  fi
  # The build itself configures anew when a CMake file changes, but knows nothing of the presets,
  # nor that the tree was moved.
  local stamp="$tree/.configured"
  if [[ ! -e $stamp || $root/CMakePresets.json -nt $stamp || $(<"$stamp") != "$root" ]]; then
    say "configuring $preset"
    logged "$preset-configure" cmake -S "$root" --preset "$preset" --fresh
    printf '%s\n' "$root" >"$stamp"
    say "building $preset (the first time takes some minutes)"
  fi
  local targets=()
  (($# == 0)) || targets=(--target "$@")
  logged "$preset-build" cmake --build "$tree" "${targets[@]}"
  exec {lock}>&-
}
