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

# Copies that will go other ways under the same keys.
cp -r demo/data one && cp -r demo/data other

# The same log under two witnesses, of which both must sign.
for n in 1 2; do
  "$BINARY" witness init --dir "w$n" --name "w$n.example/strangers" > "w$n.key"
  "$BINARY" witness watch --dir "w$n" "$(cat evidence/keys/log.vkey)" > /dev/null
  "$BINARY" witness serve --dir "w$n" --listen 127.0.0.1:0 --ready-file "w$n.ready" > "w$n.log" 2>&1 &
  WITNESSES="${WITNESSES:-} $!"
done
trap 'kill $WITNESSES; rm -rf "$WORK"' EXIT
for n in 1 2; do
  for _ in $(seq 100); do [ -e "w$n.ready" ] && break; sleep 0.1; done
  "$BINARY" witness add "w$n" --key "$(cat "w$n.key")" --url "$(jq -r .witness "w$n.ready")" --quorum "$n" --data "$DATA" > added.txt
done
grep -q '2 witnesses' added.txt
"$BINARY" rollback 1 --reason 'with witnesses' --yes --data "$DATA" > /dev/null
"$BINARY" export root --data "$DATA" --out witnessed-root.json > /dev/null
"$BINARY" export evidence --data "$DATA" --since evidence/log/checkpoint --out witnessed > /dev/null
"$BINARY" verify witnessed --root witnessed-root.json | grep -q '2 witnesses cosigned'

# A fork by hand: two histories under one key, one longer than the other. A monitor that saw one meets the other.
"$BINARY" rollback 1 --reason 'one history' --yes --data one > /dev/null
"$BINARY" rollback 3 --reason 'another history' --yes --data other > /dev/null
"$BINARY" rollback 1 --reason 'and longer' --yes --data other > /dev/null
"$BINARY" export evidence --data one --out one-evidence > /dev/null
"$BINARY" export evidence --data other --out other-evidence > /dev/null
"$BINARY" audit watch one-evidence --root trust-root.json --state monitor --once > /dev/null
STATUS=0
"$BINARY" audit watch other-evidence --root trust-root.json --state monitor --once > watched.txt || STATUS=$?
[ "$STATUS" = 6 ] && grep -q E_FORK watched.txt || { cat watched.txt; echo "the monitor misses a fork" >&2; exit 1; }
FORK=$(ls monitor/fork-*.txt)
"$BINARY" audit fork "$FORK" --root trust-root.json --trust evidence > /dev/null

# The README's blocks, in order: sh, sh, sh, python, go, go.
python3 - evidence/README.md blocks << 'PYTHON'
import os, re, sys
os.mkdir(sys.argv[2])
text = open(sys.argv[1]).read()
blocks = re.findall(r"```(\w+)\n(.*?)```", text, re.S)
assert [language for language, _ in blocks] == ["sh", "sh", "sh", "python", "go", "go"], blocks
for number, (language, block) in enumerate(blocks, 1):
    open(f"{sys.argv[2]}/{number}.{'py' if language == 'python' else language}", "w").write(block)
PYTHON
go build -o blocks/5 blocks/5.go
go build -o blocks/6 blocks/6.go

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

# Witnesses: two are counted, three are not, and a changed cosignature is refused.
(cd witnessed && "$WORK/blocks/5" 2) | grep -q '2 witnesses'
(cd witnessed && ! "$WORK/blocks/5" 3 > /dev/null) || { echo "block 5 counts a third witness" >&2; exit 1; }
cp -r witnessed copy2 && python3 - copy2/log/checkpoint << 'PYTHON'
import base64, sys
lines = open(sys.argv[1]).read().split("\n")
name, signature = lines[-2].rsplit(" ", 1)
raw = bytearray(base64.b64decode(signature))
raw[20] ^= 1
lines[-2] = f"{name} {base64.b64encode(raw).decode()}"
open(sys.argv[1], "w").write("\n".join(lines))
PYTHON
! cmp -s witnessed/log/checkpoint copy2/log/checkpoint
(cd copy2 && ! "$WORK/blocks/5" > /dev/null) || { echo "block 5 accepts a changed cosignature" >&2; exit 1; }
! "$BINARY" verify copy2 --root witnessed-root.json > /dev/null

# Private keys under a passphrase: OpenSSL opens them with it alone, and gives the public key that was exported.
echo 'EXAMPLE passphrase' > passphrase && echo 'EXAMPLE wrong' > wrong
"$BINARY" key encrypt --data one --new-passphrase-file passphrase > /dev/null
openssl pkey -in one/keys/log.pem -passin file:passphrase -pubout | cmp - one-evidence/keys/log.pem
! openssl pkey -in one/keys/log.pem -passin file:wrong -pubout > /dev/null 2>&1 || { echo "a wrong passphrase opens a key" >&2; exit 1; }
"$BINARY" rollback 2 --reason 'with a passphrase' --yes --data one --passphrase-fd 3 3< passphrase > /dev/null
STATUS=0
"$BINARY" rollback 1 --reason 'without one' --yes --data one --passphrase-file wrong > /dev/null 2>&1 || STATUS=$?
[ "$STATUS" = 7 ] || { echo "a wrong passphrase ends with $STATUS" >&2; exit 1; }
"$BINARY" key encrypt --data other --new-passphrase-file passphrase > /dev/null
"$BINARY" key decrypt --data other --passphrase-file passphrase > /dev/null
"$BINARY" verify --data other > /dev/null

# The monitor's file convinces Go; a changed one, and one of two checkpoints that can both be true, do not.
(cd evidence && "$WORK/blocks/6" "$WORK/$FORK")
for at in 60 200 400 -10 -60; do
  python3 -c 'import sys; b = bytearray(open(sys.argv[1], "rb").read()); b[int(sys.argv[2])] ^= 1; open("bad-fork.txt", "wb").write(b)' "$FORK" "$at"
  (cd evidence && ! "$WORK/blocks/6" "$WORK/bad-fork.txt" > /dev/null) || { echo "a changed fork file convinces" >&2; exit 1; }
done
SMALL=$(cd one-evidence/checkpoints && ls | sort -n | tail -n 2 | head -n 1)
LARGE=$(cd one-evidence/checkpoints && ls | sort -n | tail -n 1)
{ printf 'memgate fork evidence v2\n\n'; cat "one-evidence/checkpoints/$SMALL"; echo; cat "one-evidence/checkpoints/$LARGE"; echo
  printf 'root %s\n' "$(sed -n 3p "one-evidence/checkpoints/$SMALL")"; cat "one-evidence/consistency/$SMALL-$LARGE.proof"; } > no-fork.txt
(cd evidence && ! "$WORK/blocks/6" "$WORK/no-fork.txt" > said-6 2>&1 && grep -q 'both checkpoints can be true' said-6) ||
  { echo "an honest log is called forked" >&2; exit 1; }
echo "ok: five blocks accept $SIZE entries in $LAST versions, $REFUSED changes and 4 omissions are refused"
