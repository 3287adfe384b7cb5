#!/usr/bin/env bash
# Schemathesis asks a running server whatever its own description allows, and things it does not.
#
#   tests/schemathesis/run.sh                       builds the debug binary; 75 seconds, a fixed seed
#   tests/schemathesis/run.sh BINARY SECONDS SEED   with this binary, as long, from there
#
# Fails on any 5xx, and on any status, media type or body that /api/v1/openapi.json does not describe. Needs python3 with
# pip and venv (Debian: apt-get install python3-venv). Schemathesis is fetched once into target/sdk/.
set -euo pipefail
cd "$(dirname "$0")/../.."
ROOT=$PWD
VERSION=4.32.5
FOLDER=${MEMGATE_SDK_CACHE:-$ROOT/target/sdk}/schemathesis-$VERSION

case "${1:-}" in -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
BINARY=${1:-}
if [ -z "$BINARY" ]; then
  cargo build --quiet --locked --bin memgate
  BINARY=$ROOT/target/debug/memgate
fi
if ! python3 -c 'import venv, ensurepip' 2> /dev/null; then
  echo "tests/schemathesis/run.sh: python3 has no venv; install it (Debian: apt-get install python3-venv) and run again" >&2
  exit 3
fi
if [ ! -e "$FOLDER/complete" ]; then
  rm -rf "$FOLDER"
  mkdir -p "$FOLDER"
  python3 -m venv "$FOLDER/venv"
  "$FOLDER/venv/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$VERSION"
  touch "$FOLDER/complete"
fi
export PYTHONDONTWRITEBYTECODE=1
MEMGATE_BINARY=$(realpath "$BINARY") exec "$FOLDER/venv/bin/python" tests/schemathesis/run.py "${2:-75}" "${3:-20261122}"
