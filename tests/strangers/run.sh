#!/usr/bin/env bash
# Evidence of memgate, checked by tools of other people: the commands of the evidence folder's own README, word for word.
#
#   tests/strangers/run.sh [BINARY]     BINARY: target/debug/memgate when none is given
#
# Fresh evidence must be accepted by every block, and refused by the block it concerns once one bit of it is changed. Needs
# openssl, jq, python3 with venv, and Go with golang.org/x/mod (Debian: golang-go golang-golang-x-mod-dev). Python packages
# are fetched once into target/strangers/.
set -euo pipefail
cd "$(dirname "$0")/../.."
ROOT=$PWD
CACHE=${MEMGATE_STRANGERS_CACHE:-$ROOT/target/strangers}
BINARY=${1:-}
if [ -z "$BINARY" ]; then
  cargo build --quiet --locked --bin memgate
  BINARY=target/debug/memgate
fi
BINARY=$(realpath "$BINARY")
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

for tool in openssl jq python3 go; do
  command -v "$tool" > /dev/null || { echo "tests/strangers/run.sh: $tool is missing; install it and run again" >&2; exit 3; }
done
GOPATH=${GOPATH_DEBIAN:-/usr/share/gocode}
[ -d "$GOPATH/src/golang.org/x/mod/sumdb/note" ] ||
  { echo "tests/strangers/run.sh: golang.org/x/mod is missing; install it (Debian: golang-golang-x-mod-dev)" >&2; exit 3; }
export GOPATH GO111MODULE=off GOFLAGS= GOCACHE=$CACHE/go PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
mkdir -p "$CACHE"
if [ ! -e "$CACHE/complete" ]; then
  python3 -m venv "$CACHE/venv"
  "$CACHE/venv/bin/pip" install --quiet securesystemslib==1.6.0 in-toto-attestation==0.9.3 'protobuf<5' cryptography==50.0.2
  touch "$CACHE/complete"
fi

# A store with several versions made in several runs, a rollback among them.
cd "$WORK"
"$BINARY" demo --keep demo > demo.txt
DATA=$WORK/demo/data
"$BINARY" export evidence --data "$DATA" --out first > /dev/null
"$BINARY" rollback 2 --reason 'for the strangers' --yes --data "$DATA" > /dev/null
"$BINARY" export root --data "$DATA" --out trust-root.json > /dev/null
"$BINARY" export evidence --data "$DATA" --since first/log/checkpoint --out evidence > /dev/null
"$BINARY" verify evidence --root trust-root.json --since first/log/checkpoint > verified.txt || { cat verified.txt; exit 1; }

# The README's blocks, in order: sh, sh, sh, python, go.
python3 - evidence/README.md blocks << 'PYTHON'
import os, re, sys
os.mkdir(sys.argv[2])
text = open(sys.argv[1]).read()
blocks = re.findall(r"```(\w+)\n(.*?)```", text, re.S)
assert [language for language, _ in blocks] == ["sh", "sh", "sh", "python", "go"], blocks
for number, (language, block) in enumerate(blocks, 1):
    open(f"{sys.argv[2]}/{number}.{'py' if language == 'python' else language}", "w").write(block)
PYTHON
go build -o blocks/5 blocks/5.go

block() { # block NUMBER FOLDER: runs a block of the README in a folder
  (
    cd "$2"
    export ROOT=$WORK/trust-root.json
    case "$1" in
      1 | 2 | 3) sh "$WORK/blocks/$1.sh" ;;
      4) "$CACHE/venv/bin/python" "$WORK/blocks/4.py" ;;
      5) "$WORK/blocks/5" ;;
    esac
  ) > "$WORK/said" 2>&1 && tail -n 1 "$WORK/said" | grep -q '^ok'
}

for number in 1 2 3 4 5; do
  block "$number" evidence || { cat said; echo "block $number does not accept good evidence" >&2; exit 1; }
  tail -n 1 said
done
grep -q 'grown from [1-9]' said || { echo "the Go block saw no consistency proof" >&2; exit 1; }

tampered() { # tampered BLOCK FILE OFFSET: flips one bit of a copy; the block must refuse it
  rm -rf copy
  cp -r evidence copy
  python3 - "copy/$2" "$3" << 'PYTHON'
import sys
path, at = sys.argv[1], int(sys.argv[2])
good = open(path, "rb").read()
bad = bytearray(good)
bad[at] ^= 1
assert bytes(bad) != good
open(path, "wb").write(bad)
PYTHON
  if block "$1" copy; then
    echo "block $1 accepts $2 with a flipped bit at $3" >&2
    exit 1
  fi
  # What any of them refuses, memgate refuses.
  if "$BINARY" verify copy --root trust-root.json > /dev/null 2>&1; then
    echo "memgate accepts $2 with a flipped bit at $3" >&2
    exit 1
  fi
  REFUSED=$((REFUSED + 1))
}

REFUSED=0
SIZE=$(sed -n 2p evidence/log/checkpoint)
LAST=$(cd evidence/versions && ls | sort -n | tail -n 1)
BLOB=$(cd evidence && awk '$1 == "m" { print $3; exit }' "versions/$LAST/manifest")
KEY=$(jq -r '.keys | keys[0]' evidence/trust/policy.json)
JOIN=$(cd evidence && ls consistency/*.proof | head -n 1)
BUNDLE=$(cd evidence && find log/tile/entries -type f | head -n 1)
tampered 1 trust/policy.json 40
tampered 1 trust/tlog.policy 60
tampered 1 "keys/$KEY.pem" 60
tampered 2 "versions/$LAST/version.dsse.json" 60
tampered 2 "versions/$LAST/approval-0.dsse.json" -20
tampered 2 log/checkpoint -20
tampered 3 "blobs/$BLOB.content" 0
tampered 3 "blobs/$BLOB.provenance" 10
tampered 3 "blobs/$BLOB.salt.hex" 0
tampered 4 "versions/$LAST/approval-0.dsse.json" 80
tampered 4 "versions/1/manifest" 5
tampered 4 "versions/$LAST/manifest.head" 3
tampered 4 "versions/1/version.tlog-proof" 60
tampered 5 log/checkpoint 45
tampered 5 "$JOIN" 3
tampered 5 "versions/1/proposal.dsse.json" 60
tampered 5 "versions/1/proposal.tlog-proof" 60
tampered 5 "$BUNDLE" 100

# Taken out or exchanged, not only changed.
rm -rf copy && cp -r evidence copy && rm -r "copy/versions/$LAST"
! block 4 copy || { echo "block 4 does not miss the newest version" >&2; exit 1; }
rm -rf copy && cp -r evidence copy && cp -r evidence/versions/1/. "copy/versions/2/"
! block 4 copy || { echo "block 4 accepts version 1 in the place of version 2" >&2; exit 1; }
rm -rf copy && cp -r evidence copy && rm copy/versions/1/approval-0.*
! block 4 copy || { echo "block 4 accepts a version without its approval" >&2; exit 1; }
(cd evidence && ! "$WORK/blocks/5" 1 > /dev/null) || { echo "block 5 counts a witness that is not there" >&2; exit 1; }
echo "ok: five blocks accept $SIZE entries in $LAST versions, $REFUSED changes and 4 omissions are refused"
