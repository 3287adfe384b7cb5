#!/usr/bin/env bash
# All tests of memgate, from a clean checkout.
#
#   tests/run.sh            format, lints, tests, doc tests, licences, release build, the README's demo,
#                           evidence checked by openssl, Python and Go, official SDKs, schemathesis,
#                           the console in a browser
#   tests/run.sh --quick    format, lints, tests only
#
# Installs what it needs: rustfmt and clippy through rustup; on Debian a C compiler, Python, node, jq, Go and Chromium
# when they are missing.
# Every step prints its name and its time; the first failing step ends the run with its exit code.
set -euo pipefail
cd "$(dirname "$0")/.."
ROOT=$PWD
[ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"

QUICK=0
for argument in "$@"; do
  case "$argument" in
    --quick) QUICK=1 ;;
    -h | --help) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "tests/run.sh: unknown option $argument (try --help)" >&2; exit 2 ;;
  esac
done

# What is shipped is linked with optimisation over all crates, which takes minutes; what is tested here need not be.
export CARGO_PROFILE_RELEASE_LTO=${CARGO_PROFILE_RELEASE_LTO:-off}
export CARGO_PROFILE_RELEASE_CODEGEN_UNITS=${CARGO_PROFILE_RELEASE_CODEGEN_UNITS:-16}

step() {
  local name=$1 start=$SECONDS status=0
  shift
  echo "== $name"
  # Not `( … ) || status=$?`: that would switch `set -e` off inside the step.
  set +e
  ( set -euo pipefail; "$@" )
  status=$?
  set -e
  if [ "$status" -ne 0 ]; then
    echo "== $name: FAILED with exit code $status after $((SECONDS - start)) s" >&2
    exit "$status"
  fi
  echo "== $name: ok, $((SECONDS - start)) s"
}

need() { # need COMMAND DEBIAN-PACKAGE
  command -v "$1" > /dev/null 2>&1 && return 0
  if command -v apt-get > /dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$2"
  else
    echo "tests/run.sh: $1 is missing; install it (Debian: apt-get install $2) and run again" >&2
    return 3
  fi
}

install_tools() {
  if ! command -v cargo > /dev/null 2>&1; then
    echo "tests/run.sh: cargo is missing; install Rust 1.89 or newer with rustup and run again" >&2
    return 3
  fi
  need cc gcc # the bundled SQLite is C
  cargo fmt --version > /dev/null 2>&1 || rustup component add rustfmt
  cargo clippy --version > /dev/null 2>&1 || rustup component add clippy
  [ "$QUICK" = 1 ] || need python3 python3
  if [ "$QUICK" = 0 ] && ! python3 -c 'import ensurepip' 2> /dev/null && command -v apt-get > /dev/null 2>&1; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv # the official SDKs
  fi
  if [ "$QUICK" = 0 ]; then
    need node nodejs # the TypeScript SDK
    need npm npm
    need openssl openssl # evidence, checked by other people's tools
    need jq jq
    need go golang-go
    [ -d /usr/share/gocode/src/golang.org/x/mod/sumdb/note ] || need golang.org/x/mod golang-golang-x-mod-dev
  fi
}

# `compile_fail,E0308` checks the error code only where unstable features are on. The wrapper switches them on for rustdoc
# alone: set for the whole build, the variable would make every build script run and most crates compile again.
doc_tests() {
  # Not local: the trap runs when the step's shell ends, after this function.
  wrapper=$(mktemp -d)
  trap 'rm -rf "$wrapper"' EXIT
  printf '#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec "%s" "$@"\n' "$(command -v rustdoc)" > "$wrapper/rustdoc"
  chmod +x "$wrapper/rustdoc"
  RUSTDOC="$wrapper/rustdoc" cargo test --locked --doc
}

licences() {
  local host
  host=$(rustc -vV | sed -n 's/^host: //p')
  cargo metadata --format-version 1 --locked --filter-platform "$host" | python3 tests/licences.py
  if cargo deny --version > /dev/null 2>&1; then
    cargo deny --config .cargo/deny.toml check licenses bans sources
  fi
}

# The README's first command, in an empty folder.
demo() {
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  cd "$folder"
  cargo run --quiet --release --locked --manifest-path "$ROOT/Cargo.toml" -- demo
}

step "tools" install_tools
step "format" cargo fmt --all -- --check
step "lints" cargo clippy --locked --all-targets -- -D warnings
step "tests" cargo test --locked --lib --bins --tests
if [ "$QUICK" = 0 ]; then
  step "doc tests, with error codes" doc_tests
  step "licences, bans, sources" licences
  step "release build" cargo build --locked --release
  step "demo" demo
  step "strangers' tools" tests/strangers/run.sh target/release/memgate
  step "official SDKs" tests/sdk/run.sh target/release/memgate
  step "schemathesis" tests/schemathesis/run.sh target/release/memgate
  step "console in a browser" tests/console/run.sh target/release/memgate
fi
echo "== all steps ok, $SECONDS s"
