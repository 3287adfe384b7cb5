#!/usr/bin/env bash
# Acceptance of `memgate serve` with the official SDKs, unmodified.
#
#   tests/sdk/run.sh                     builds the debug binary and runs everything
#   tests/sdk/run.sh BINARY              with this binary
#   tests/sdk/run.sh BINARY errors gate  only these parts: generated sync errors paging dreams gate memory_tool
#                                        webhooks old_generation typescript
#
# Needs python3 with pip and venv (Debian: apt-get install python3-venv); node and npm for the TypeScript part, which
# is left out with a line that says so when they are missing. SDKs and their sources are fetched once from the
# registries that pip and npm are set up for, into target/sdk/; delete that folder to fetch them anew.
set -euo pipefail
cd "$(dirname "$0")/../.."
ROOT=$PWD
HERE=$ROOT/tests/sdk
CACHE=${MEMGATE_SDK_CACHE:-$ROOT/target/sdk}
NEWEST=2.11.0
OLDEST=0.121.0
TYPESCRIPT=1.11.0
PACKAGES=(pytest==9.2.0 pytest-asyncio==1.5.0 pytest-xdist==3.8.0 respx==0.23.1 time-machine==3.6.0 dirty-equals==0.11
  inline-snapshot==0.36.1 "http-snapshot[httpx]==0.1.9" hypothesis==6.170.15 rich==15.0.0 opentelemetry-sdk==1.45.2
  httpx2==2.16.2 boto3==1.44.5)

case "${1:-}" in -h | --help) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
BINARY=${1:-}
[ $# -gt 0 ] && shift
PARTS=("$@")
if [ -z "$BINARY" ]; then
  cargo build --quiet --locked --bin memgate
  BINARY=$ROOT/target/debug/memgate
fi
BINARY=$(realpath "$BINARY")
if ! "$BINARY" serve --help > /dev/null 2>&1; then
  echo "tests/sdk/run.sh: $BINARY is no memgate with a server; build it with: cargo build --bin memgate" >&2
  exit 3
fi
if ! python3 -c 'import venv, ensurepip' 2> /dev/null; then
  echo "tests/sdk/run.sh: python3 has no venv; install it (Debian: apt-get install python3-venv) and run again" >&2
  exit 3
fi
mkdir -p "$CACHE"
export MEMGATE_BINARY=$BINARY PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
LOGS=$(mktemp -d)
trap 'rm -rf "$LOGS"' EXIT

fetch_failed() {
  echo "tests/sdk/run.sh: could not fetch $1; the last lines of what was said:" >&2
  tail -n 15 "$LOGS/fetch" >&2
  echo "tests/sdk/run.sh: check that pip and npm reach their registries, then run again (partly fetched things are kept in $CACHE)" >&2
  exit 3
}

wanted() { # wanted PART
  [ ${#PARTS[@]} -eq 0 ] && return 0
  local part
  for part in "${PARTS[@]}"; do [ "$part" = "$1" ] && return 0; done
  return 1
}

# A venv and the unpacked sources of one SDK version; done once.
python_sdk() { # python_sdk VERSION
  local folder=$CACHE/python-$1
  [ -e "$folder/complete" ] && return 0
  echo "== fetching anthropic $1"
  rm -rf "$folder"
  mkdir -p "$folder"
  {
    python3 -m venv "$folder/venv" &&
      "$folder/venv/bin/pip" install --quiet "anthropic[webhooks,aiohttp]==$1" "${PACKAGES[@]}" &&
      "$folder/venv/bin/pip" download --quiet --no-binary :all: --no-deps --dest "$folder" "anthropic==$1"
  } > "$LOGS/fetch" 2>&1 || fetch_failed "anthropic $1"
  tar -xzf "$folder/anthropic-$1.tar.gz" -C "$folder"
  touch "$folder/complete"
}

typescript_sdk() {
  local folder=$CACHE/typescript-$TYPESCRIPT
  [ -e "$folder/complete" ] && return 0
  echo "== fetching @anthropic-ai/sdk $TYPESCRIPT"
  rm -rf "$folder"
  mkdir -p "$folder"
  ( cd "$folder" && echo '{"private":true}' > package.json &&
    npm install --no-audit --no-fund --silent "@anthropic-ai/sdk@$TYPESCRIPT" ) > "$LOGS/fetch" 2>&1 ||
    fetch_failed "@anthropic-ai/sdk $TYPESCRIPT"
  touch "$folder/complete"
}

run() { # run NAME LIMIT-IN-SECONDS COMMAND...
  local name=$1 limit=$2 start=$SECONDS status=0 out=$LOGS/out-${1// /-}
  shift 2
  timeout --kill-after=10 "$limit" "$@" > "$out" 2>&1 || status=$?
  {
    echo "== $name"
    # Passed claims are many; the failures and the counts are what matters.
    if [ "$status" -ne 0 ] || [ -n "${MEMGATE_SDK_VERBOSE:-}" ]; then
      if [ -n "${MEMGATE_SDK_VERBOSE:-}" ]; then cat "$out"; else grep -v '^  ok  ' "$out" || true; fi
    else
      grep -E '^(==|  skip|deselected)' "$out" || true
    fi
    [ "$status" -ne 124 ] || echo "  $name took longer than $limit s and was ended"
  } > "$out-shown"
  # One write, so that what runs beside this does not come in between.
  cat "$out-shown"
  [ "$status" -eq 0 ] || touch "$LOGS/failed"
  { grep '^== ' "$out" || echo "== $name: ended with $status before it counted"; } |
    sed "s/\$/ ($((SECONDS - start)) s)/" > "$out-row"
  cat "$out-row" >> "$LOGS/table"
  if [ "${name%% *}" = generated ]; then
    sed -n '/^Generated tests/,/^== /p' "$out" | grep -v '^== ' > "$LOGS/generated-${name##* }" || true
  fi
}

generation() { # generation VERSION
  local folder=$CACHE/python-$1 part
  if wanted generated; then
    run "generated $1" 300 "$folder/venv/bin/python" "$HERE/generated.py" "$folder/anthropic-$1"
  fi
  for part in sync errors paging dreams gate memory_tool webhooks old_generation; do
    if wanted "$part"; then run "$part $1" 180 "$folder/venv/bin/python" "$HERE/$part.py"; fi
  done
}

python_sdk "$NEWEST"
python_sdk "$OLDEST"
export MEMGATE_SDK_SYNC_FROM=$CACHE/python-$NEWEST/anthropic-$NEWEST/src/anthropic/lib/tools
: > "$LOGS/table"
# Side by side: each part has a server, a folder and ports of its own.
generation "$NEWEST" &
newest=$!
generation "$OLDEST" &
oldest=$!
wait "$newest" || touch "$LOGS/failed"
if wanted typescript; then
  if command -v node > /dev/null && command -v npm > /dev/null; then
    typescript_sdk
    MEMGATE_SDK_NODE=$CACHE/typescript-$TYPESCRIPT run typescript 120 "$CACHE/python-$NEWEST/venv/bin/python" "$HERE/typescript.py"
  else
    echo "== typescript: left out, node or npm is missing (Debian: apt-get install nodejs npm)" | tee -a "$LOGS/table"
  fi
fi
wait "$oldest" || touch "$LOGS/failed"
echo
for version in "$NEWEST" "$OLDEST"; do
  if [ -e "$LOGS/generated-$version" ]; then cat "$LOGS/generated-$version" && echo; fi
done
sed 's/^== //' "$LOGS/table" | sort
if [ -e "$LOGS/failed" ]; then
  echo "tests/sdk/run.sh: failed. One part again, with every claim: MEMGATE_SDK_VERBOSE=1 tests/sdk/run.sh $BINARY PART" >&2
  exit 1
fi
