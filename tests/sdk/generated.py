"""The SDK's own generated API tests, unchanged, against a server behind the placeholder shim.

    python generated.py SDIST      SDIST: the unpacked source distribution of the SDK that this Python has installed
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as tree
from pathlib import Path

import anthropic

import harness

# How many tests each file has in both generations. A file that collects another number fails: nothing is left out.
EXPECTED = {
    "test_dreams.py": 115,
    "test_memory_stores.py": 140,
    "memory_stores/test_memories.py": 125,
    "memory_stores/test_memory_versions.py": 75,
    "test_sessions.py": 140,
    "sessions/test_events.py": 75,
    "test_webhooks.py": 10,
}
# Tests that are not run, with the reason. They count as missing, never as passed: the run fails.
DESELECTED: dict[str, str] = {}


def main() -> None:
    sdist = Path(sys.argv[1]).resolve()
    passed, failed, skipped = ({name: 0 for name in EXPECTED} for _ in range(3))
    reasons: dict[str, int] = {}
    server = harness.Server()
    server.make_key("generated-tests", "submitter", harness.GENERATED_KEY)
    with server, tempfile.TemporaryDirectory(prefix="memgate-shim-") as folder:
        ready, report = Path(folder) / "ready", Path(folder) / "report.xml"
        ready.touch()
        shim = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("shim.py")), server.url, server.workspace, str(ready)],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            address = harness.until("the shim listens", lambda: ready.read_text().strip())
            command = [sys.executable, "-m", "pytest", "-q", "-n", os.environ.get("MEMGATE_SDK_JOBS", "4")]
            command += ["-p", "no:cacheprovider", "--tb=short", f"--junitxml={report}"]
            command += ["-p", "unskip"]
            command += [f"--deselect={name}" for name in DESELECTED]
            command += [f"tests/api_resources/beta/{name}" for name in EXPECTED]
            done = subprocess.run(
                command + sys.argv[2:],
                cwd=sdist,
                env={**os.environ, "TEST_API_BASE_URL": address, "PYTHONPATH": str(Path(__file__).parent)},
                capture_output=True,
                text=True,
                timeout=600,
            )
        finally:
            shim.send_signal(signal.SIGTERM)
            counts = shim.communicate(timeout=30)[0]
        if report.exists():
            count_cases(report, passed, failed, skipped, reasons)
    if sum(failed.values()) or not sum(passed.values()):
        print(done.stdout[-12000:])
        print(done.stderr[-2000:], file=sys.stderr)
    print("What the shim put in the place of literals (times, what):")
    print(counts.rstrip())
    print(f"\nGenerated tests, anthropic {anthropic.__version__}")
    print(f"{'file':42} {'passed':>6} {'expected':>8} {'failed':>6} {'skipped':>7}")
    for name, expected in EXPECTED.items():
        print(f"{name:42} {passed[name]:6} {expected:8} {failed[name]:6} {skipped[name]:7}")
    total, wanted, wrong, left = (sum(counts.values()) for counts in (passed, EXPECTED, failed, skipped))
    print(f"{'all':42} {total:6} {wanted:8} {wrong:6} {left:7}")
    for reason, times in reasons.items():
        print(f"skipped, {times} times: {reason}")
    for name, reason in DESELECTED.items():
        print(f"deselected: {name}: {reason}")
    print(f"== generated anthropic {anthropic.__version__}: {total} passed, {wrong} failed, {left} skipped")
    sys.exit(0 if total == wanted else 1)


def count_cases(
    report: Path, passed: dict[str, int], failed: dict[str, int], skipped: dict[str, int], reasons: dict[str, int]
) -> None:
    """Counts the report's cases by file."""
    for case in tree.parse(report).iter("testcase"):
        name = case.get("classname", "").removeprefix("tests.api_resources.beta.")
        file = "/".join(name.split(".")[:-1]) + ".py"
        if file not in passed:
            raise RuntimeError(f"a test of no listed file: {case.get('classname')}")
        why = case.find("skipped")
        if any(case.find(kind) is not None for kind in ("failure", "error")):
            failed[file] += 1
        elif why is not None:
            skipped[file] += 1
            reason = why.get("message", "")
            reasons[reason] = reasons.get(reason, 0) + 1
        else:
            passed[file] += 1


if __name__ == "__main__":
    main()
