#!/usr/bin/env bash
# The console in a real browser: tests/console/run.sh [MEMGATE [PICTURES]]
#
#   MEMGATE    the program to test; target/release/memgate without it
#   PICTURES   folder for a picture of every page in both themes and at 320 px; target/console/pictures without it
#
# Needs node, npm and Chromium (Debian: apt-get install nodejs npm chromium). Two packages are fetched once from the
# registry that npm is set up for, into target/console/; delete that folder to fetch them anew.
set -euo pipefail
cd "$(dirname "$0")/../.."
ROOT=$PWD
MEMGATE=$(realpath "${1:-target/release/memgate}")
PICTURES=${2:-$ROOT/target/console/pictures}
CACHE=${MEMGATE_CONSOLE_CACHE:-$ROOT/target/console}
PLAYWRIGHT=1.65.1
AXE=4.14.1

for command in node npm chromium; do
  if ! command -v "$command" > /dev/null 2>&1; then
    if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null 2>&1; then
      package=$command
      [ "$command" = node ] && package=nodejs
      apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" > /dev/null
    else
      echo "tests/console/run.sh: $command is missing (Debian: apt-get install nodejs npm chromium)" >&2
      exit 3
    fi
  fi
done
packages=$CACHE/npm-$PLAYWRIGHT-$AXE
if [ ! -e "$packages/complete" ]; then
  rm -rf "$packages" && mkdir -p "$packages"
  ( cd "$packages" && echo '{"private":true}' > package.json &&
    npm install --no-audit --no-fund --silent "playwright-core@$PLAYWRIGHT" "axe-core@$AXE" ) ||
    { echo "tests/console/run.sh: npm could not fetch playwright-core and axe-core" >&2; exit 3; }
  touch "$packages/complete"
fi

folder=$(mktemp -d)
server=
finish() {
  if [ -n "$server" ]; then
    # A server that is asked to stop ends with the signal's code: that is no failure of the test.
    kill "$server" 2> /dev/null && wait "$server" 2> /dev/null || true
  fi
  rm -rf "$folder"
}
trap finish EXIT
data=$folder/server
"$MEMGATE" --data "$data" serve init --format json > "$folder/init.json"
for who in "ana reviewer" "ben reviewer" "max grader_operator"; do
  set -- $who
  echo "EXAMPLE correct horse battery" | "$MEMGATE" --data "$data" user add "$1" --role "$2" > /dev/null
done
"$MEMGATE" --data "$data" serve --listen 127.0.0.1:0 --admin 127.0.0.1:0 --ready-file "$folder/ready" &
server=$!
for _ in $(seq 300); do
  [ -s "$folder/ready" ] && break
  kill -0 "$server" || { echo "tests/console/run.sh: the server ended" >&2; exit 1; }
  sleep 0.1
done
mkdir -p "$PICTURES"
CHROMIUM=${CHROMIUM:-$(command -v chromium)} NODE_MODULES=$packages/node_modules node "$ROOT/tests/console/browse.mjs" "$folder/ready" "$folder/init.json" "$PICTURES"
