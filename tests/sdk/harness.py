"""A server of one's own for a scenario, and checks that count.

Every scenario starts `memgate serve` on an empty folder and a free port, and ends it. Scenarios use the official SDK
only; `Server.raw` is for what the SDK cannot send.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Callable

BINARY = os.environ.get("MEMGATE_BINARY", "target/debug/memgate")
# The key that the SDK's generated tests send. It is published in the SDK's sources and opens nothing.
GENERATED_KEY = "my-anthropic-api-key"
# Long enough for a debug binary on a busy machine; reached only when something is wrong.
PATIENCE = float(os.environ.get("MEMGATE_SDK_PATIENCE", "60"))


def without_ambient_settings() -> None:
    """Variables that the SDKs read must not decide what is tested."""
    for name in list(os.environ):
        if name.startswith("ANTHROPIC_") or name.lower() in ("http_proxy", "https_proxy", "all_proxy"):
            del os.environ[name]


class Server:
    """One running `memgate serve`."""

    def __init__(self, config: str | None = None, flags: list[str] | None = None) -> None:
        without_ambient_settings()
        self.folder = Path(tempfile.mkdtemp(prefix="memgate-sdk-"))
        self.data = self.folder / "data"
        self.flags = flags or []
        self.process: subprocess.Popen[bytes] | None = None
        self.url = self.admin = ""
        made = json.loads(self.command("serve", "init", "--data", str(self.data), "--format", "json"))
        self.key, self.workspace = made["api_key"], made["workspace_id"]
        if config:
            file = self.folder / "serve.toml"
            file.write_text(config)
            self.flags += ["--config", str(file)]

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(self, *failure: object) -> None:
        code = self.stop()
        if failure[0] is not None or os.environ.get("MEMGATE_SDK_KEEP"):
            print(f"# the server's folder is kept: {self.folder}", file=sys.stderr)
            print(self.log()[-4000:], file=sys.stderr)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
            if code not in (None, 143):
                raise RuntimeError(f"the server ended with {code}, not with 143")

    def start(self) -> None:
        ready = self.folder / "ready.json"
        ready.unlink(missing_ok=True)
        with open(self.folder / "serve.log", "ab") as log:
            arguments = ["--data", str(self.data), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
            self.process = subprocess.Popen(
                [BINARY, "serve", *arguments, "--ready-file", str(ready), *self.flags], stdout=log, stderr=log
            )
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}:\n{self.log()[-4000:]}")
            if ready.exists() and ready.read_text().strip().endswith("}"):
                addresses = json.loads(ready.read_text())
                self.url, self.admin = addresses["data"], addresses["admin"]
                return
            time.sleep(0.02)
        self.stop()
        raise RuntimeError(f"the server was not ready after {PATIENCE} s:\n{self.log()[-4000:]}")

    def stop(self) -> int | None:
        if self.process is None:
            return None
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
            raise RuntimeError("the server did not end on SIGTERM") from None
        finally:
            self.process = None
        return code

    def log(self) -> str:
        file = self.folder / "serve.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def command(self, *arguments: str, env: dict[str, str] | None = None, codes: tuple[int, ...] = (0,)) -> str:
        """Runs the binary; its stdout."""
        done = subprocess.run(
            [BINARY, *arguments], capture_output=True, text=True, env={**os.environ, **(env or {})}, timeout=PATIENCE
        )
        if done.returncode not in codes:
            words = " ".join(arguments[:4])
            raise RuntimeError(f"memgate {words} … ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def make_key(self, name: str, role: str, secret: str | None = None) -> str:
        """A further key; before the server starts, which holds the folder."""
        arguments = ["key", "create", "--data", str(self.data), "--name", name, "--role", role, "--format", "json"]
        if secret is None:
            return json.loads(self.command(*arguments))["api_key"]
        self.command(*arguments, "--secret-from-env", "MEMGATE_SDK_SECRET", env={"MEMGATE_SDK_SECRET": secret})
        return secret

    def store_folder(self, store: str) -> Path:
        return self.data / "stores" / store

    def raw(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, key: str | None = ""
    ) -> tuple[int, dict[str, str], Any]:
        """One request without an SDK: status, headers in lower case, parsed body."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        if key is not None:
            request.add_header("Authorization", f"Bearer {key or self.key}")
        if data is not None:
            request.add_header("Content-Type", "application/json")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                status, head, text = answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            status, head, text = error.code, error.headers, error.read()
        return status, {k.lower(): v for k, v in head.items()}, json.loads(text) if text else None


class Checks:
    """Named claims; the first failure of a step does not hide the others."""

    def __init__(self, name: str) -> None:
        self.name, self.passed, self.failed, self.skipped = name, 0, 0, 0

    def that(self, claim: str, holds: object, seen: object = None) -> None:
        if holds:
            self.passed += 1
            print(f"  ok    {claim}")
        else:
            self.failed += 1
            print(f"  FAIL  {claim}" + ("" if seen is None else f" -- saw {seen!r}"))

    def same(self, claim: str, seen: object, expected: object) -> None:
        self.that(claim, seen == expected, f"{seen!r}, expected {expected!r}")

    def raises(self, claim: str, kind: type[BaseException], call: Callable[[], Any]) -> Any:
        """The error, when it is one of this kind."""
        try:
            value = call()
        except kind as error:
            self.that(claim, type(error) is kind, type(error).__name__)
            return error
        except Exception as error:  # noqa: BLE001
            self.that(claim, False, error)
            return None
        self.that(claim, False, value)
        return None

    def skip(self, claim: str, why: str) -> None:
        self.skipped += 1
        print(f"  skip  {claim}: {why}")

    def step(self, name: str, call: Callable[..., Any], *arguments: Any) -> None:
        """A step that breaks counts as one failure and lets the next one run."""
        print(f"# {name}")
        try:
            call(*arguments)
        except Exception:  # noqa: BLE001
            self.failed += 1
            print(f"  FAIL  {name}\n{traceback.format_exc(limit=6)}")

    def end(self) -> None:
        import anthropic

        version = anthropic.__version__
        print(f"== {self.name} anthropic {version}: {self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        sys.stdout.flush()
        sys.exit(1 if self.failed else 0)


def client(server: Server, **options: Any) -> Any:
    """The SDK pointed at the server: what the README shows."""
    import anthropic

    return anthropic.Anthropic(base_url=server.url, api_key=options.pop("api_key", server.key), **options)


class Counting:
    """Counts requests by method and path, as they leave the SDK."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def transport(self) -> Any:
        from anthropic import DefaultHttpxClient

        return DefaultHttpxClient(event_hooks={"request": [self._note]})

    def _note(self, request: Any) -> None:
        self.seen.append((request.method, request.url.path))

    def during(self, call: Callable[[], Any]) -> tuple[int, Any]:
        """How many requests a call took, and what came of it."""
        before = len(self.seen)
        try:
            out: Any = call()
        except Exception as error:  # noqa: BLE001
            out = error
        return len(self.seen) - before, out


def until(what: str, look: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Looks again until it is so."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        value = look()
        if value:
            return value
        time.sleep(0.05)
    raise TimeoutError(f"after {patience} s: not {what}")


def finished(api: Any, dream: str) -> Any:
    """The dream in its final status."""

    def look() -> Any:
        now = api.beta.dreams.retrieve(dream)
        return now if now.status in ("completed", "failed", "canceled") else None

    return until(f"dream {dream} final", look)


def code_of(error: Any) -> str | None:
    """`error_code`, which the older generation does not have as an attribute."""
    body = getattr(error, "body", None)
    inner = body.get("error") if isinstance(body, dict) else None
    details = (inner or {}).get("details") or {}
    seen = details.get("error_code")
    if not is_old() and error is not None:
        assert error.error_code == seen, (error.error_code, seen)
    return seen


def details_of(error: Any) -> dict[str, Any]:
    body = getattr(error, "body", None) or {}
    return (body.get("error") or {}).get("details") or {}


def type_of(error: Any) -> str | None:
    body = getattr(error, "body", None)
    return ((body.get("error") or {}) if isinstance(body, dict) else {}).get("type")


def is_old() -> bool:
    """True for the generation with X-Api-Key, without session sync."""
    import anthropic

    return int(anthropic.__version__.split(".")[0]) < 1
