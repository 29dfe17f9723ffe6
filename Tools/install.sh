#!/usr/bin/env bash
# Installs what building and testing need beside Swift and Python 3, where Debian's packages can be had;
# says nothing when all is there.
set -euo pipefail

say() { echo "install: $*" >&2; }

if ! command -v swift >/dev/null; then
  say "Swift 6.2 or later is needed and was not found; get it from swift.org/install and put it on the PATH."
  exit 69
fi
if ! command -v python3 >/dev/null; then
  say "Python 3 is needed for the demo and was not found; install it."
  exit 69
fi
[ "$(uname -s)" = Linux ] || exit 0

missing=()
need() { # need PACKAGE TEST...: the package, unless the test passes
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || missing+=("$package")
}
# What the Swift toolchain calls or links on Linux.
need git command -v git
need binutils command -v ld
need libc6-dev test -e /usr/include/stdlib.h
need libstdc++-12-dev sh -c 'ls /usr/lib/gcc/*/*/libstdc++.so'
need zlib1g-dev test -e /usr/include/zlib.h
# For compressing.
need libopenblas-dev sh -c 'ls /usr/lib/*/libopenblas.so || ls /usr/lib*/libopenblas.so'
# For downloading the demo's model.
need python3-pip python3 -m pip --version
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
  say "please install: ${missing[*]}"
  exit 69
fi
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
say "installing ${missing[*]}"
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
