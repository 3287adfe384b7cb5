"""Placeholder shim: lets the SDK's generated tests run against a server that remembers.

The generated tests were written for a schema mock. They name objects that were never made (`memory_store_id`, `x`,
`dream_id`), ask for `limit=0` and `page="page"`, and create `/P` again and again. This reverse proxy puts freshly
made, real objects in a fitting state in the place of those literals and passes everything else on, byte for byte:
headers, empty bodies with a content type, streams. It is the only thing between the test and the server, and the
server has no test mode. Each kind of replacement is counted; the counts are printed at the end.

    python3 shim.py UPSTREAM WORKSPACE READY_FILE
"""

from __future__ import annotations

import http.client
import itertools
import json
import signal
import socket
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

KEY = "my-anthropic-api-key"
STORES = ("memory_store_id", "x")
SESSION = "sesn_011CZkZAtmR3yMPDzynEDxu7"
WORKSPACE = "wrkspc_011CZkZaBF1tNoB5wlCeusgy"
AGENT = "agent_011CZkYpogX7uDKUyvBTophP"
ENVIRONMENT = "env_011CZkZ9X2dpNyB7HsEFoRfW"
FINAL = ("completed", "failed", "canceled")

replaced: Counter[str] = Counter()


class SetUp(Exception):
    """An object the test needs could not be made."""


class World:
    """Makes objects through the API that is tested, with the key that the tests use."""

    def __init__(self, upstream: str) -> None:
        self.host = urlsplit(upstream).netloc
        self.number = itertools.count()
        self.lock = threading.RLock()
        self.shared: dict[str, Any] = {}

    def api(self, method: str, path: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection(self.host, timeout=60)
        try:
            headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status >= 400:
            raise SetUp(f"{method} {path} said {answer.status}: {text[:400].decode(errors='replace')}")
        return json.loads(text)

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """Objects that no test changes are made once."""
        with self.lock:
            if name not in self.shared:
                self.shared[name] = make()
            return self.shared[name]

    def store(self) -> str:
        return self.api("POST", "/v1/memory_stores", {"name": f"store {next(self.number)}"})["id"]

    def memory(self, store: str, path: str, content: str = "The office in Oslo opens at nine.") -> dict[str, Any]:
        return self.api("POST", f"/v1/memory_stores/{store}/memories", {"path": path, "content": content})

    def scratch(self) -> tuple[str, dict[str, Any]]:
        """A fresh memory in a store that tests may write to."""
        store = self.once("scratch", self.store)
        return store, self.memory(store, f"/scratch/{next(self.number)}.md")

    def reader(self) -> dict[str, str]:
        """A store with two memories, one of them changed once."""

        def make() -> dict[str, str]:
            store = self.store()
            memory = self.memory(store, "/path_prefix/a.md")
            self.memory(store, "/path_prefix/b.md")
            path = f"/v1/memory_stores/{store}/memories/{memory['id']}"
            now = self.api("POST", path, {"content": "The office in Oslo opens at ten."})
            return {"store": store, "memory": memory["id"], "version": now["memory_version_id"]}

        return self.once("reader", make)

    def old_version(self) -> tuple[str, str]:
        """A version that is no longer the head of its memory."""
        store, memory = self.scratch()
        path = f"/v1/memory_stores/{store}/memories/{memory['id']}"
        self.api("POST", path, {"content": "The office in Oslo opens at ten."})
        return store, memory["memory_version_id"]

    def session(self) -> str:
        body = {"agent": AGENT, "environment_id": ENVIRONMENT}
        session = self.api("POST", "/v1/sessions", body)["id"]
        said = [{"type": "text", "text": "Our office in Bergen opens at eight."}]
        self.api("POST", f"/v1/sessions/{session}/events", {"events": [{"type": "user.message", "content": said}] * 2})
        return session

    def reading_session(self) -> str:
        return self.once("session", self.session)

    def dream(self) -> str:
        inputs = [
            {"type": "memory_store", "memory_store_id": self.reader()["store"]},
            {"type": "sessions", "session_ids": [self.reading_session()]},
        ]
        return self.api("POST", "/v1/dreams", {"inputs": inputs, "model": "string"})["id"]

    def finished_dream(self) -> str:
        dream = self.dream()
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if self.api("GET", f"/v1/dreams/{dream}")["status"] in FINAL:
                return dream
            time.sleep(0.02)
        raise SetUp(f"dream {dream} came to no end in 60 s")

    def dream_to_cancel(self) -> str:
        """The last of a burst still waits for a worker; when it was too fast all the same, the next burst."""
        for _ in range(8):
            dream = [self.dream() for _ in range(6)][-1]
            try:
                self.api("POST", f"/v1/dreams/{dream}/cancel")
            except SetUp:
                continue
            # Cancelled for certain: the test's own call is the repeated one, which answers the same.
            return dream
        raise SetUp("every dream of eight bursts had ended before it could be cancelled")

    def cursor(self, path: str, query: dict[str, str]) -> str:
        """A real cursor of this list, with the order of the request that will use it."""
        asked = {"limit": "1", **{k: v for k, v in query.items() if k == "order"}}
        page = self.api("GET", f"{path}?{urlencode(asked)}")["next_page"]
        if not page:
            raise SetUp(f"{path} has no second page")
        return page


def count(kind: str) -> None:
    replaced[kind] += 1


def rewrite(world: World, method: str, parts: list[str], query: list[tuple[str, str]], body: Any) -> Any:
    """Puts real objects in the place of literals, in `parts` and `query`; gives the body back."""
    body = dict(body) if isinstance(body, dict) else body
    last = parts[-1]
    if isinstance(body, dict) and body.get("path") == "xx":
        # The older generation's literal, which is no path.
        body["path"] = "/P"
        count("a path that is one")
    match [method, *parts]:
        case ["GET", "v1", "memory_stores", store, *rest] if store in STORES:
            parts[2] = world.reader()["store"]
            count("a store")
            if rest[:1] == ["memories"] and len(rest) == 2 and rest[1] == "memory_id":
                parts[4] = world.reader()["memory"]
                count("a memory")
            if rest[:1] == ["memory_versions"] and len(rest) == 2 and rest[1] == "memory_version_id":
                parts[4] = world.reader()["version"]
                count("a version")
        case ["POST", "v1", "memory_stores", store, "memories"] if store in STORES:
            parts[2] = world.store()
            count("a new store for /P")
        case ["POST", "v1", "memory_stores", store, "memories", "memory_id"] if store in STORES:
            if isinstance(body, dict) and body.get("path") == "/P":
                parts[2] = world.store()
                memory = world.memory(parts[2], "/before.md")
            else:
                parts[2], memory = world.scratch()
            parts[4] = memory["id"]
            count("a memory to change")
            body = body or {}
            if not body.get("content") and not body.get("path"):
                body["content"] = "content"
                count("an update that changes something")
            if isinstance(body.get("precondition"), dict):
                body["precondition"] = {**body["precondition"], "content_sha256": memory["content_sha256"]}
                count("the hash of what is there")
        case ["DELETE", "v1", "memory_stores", store, "memories", "memory_id"] if store in STORES:
            parts[2], memory = world.scratch()
            parts[4] = memory["id"]
            count("a memory to delete")
            for index, (name, _) in enumerate(query):
                if name == "expected_content_sha256":
                    query[index] = (name, memory["content_sha256"])
                    count("the hash of what is there")
        case ["POST", "v1", "memory_stores", store, "memory_versions", "memory_version_id", "redact"] if store in STORES:
            parts[2], parts[4] = world.old_version()
            count("a version that is no head")
        case ["POST" | "DELETE", "v1", "memory_stores", store, *_] if store in STORES:
            parts[2] = world.store()
            count("a store to change")
        case ["POST", "v1", "dreams"]:
            inputs = body.get("inputs") if isinstance(body, dict) else None
            if inputs and inputs[0].get("memory_store_id") in STORES:
                inputs = [{**inputs[0], "memory_store_id": world.reader()["store"]}]
                count("a store to dream over")
                if body.get("instructions"):
                    # Half of the calls as they are (sessions left out), half as the hosted service wants them.
                    inputs.append({"type": "sessions", "session_ids": [world.reading_session()]})
                    count("sessions to dream over")
                body["inputs"] = inputs
        case ["GET", "v1", "dreams", "dream_id"]:
            parts[2] = world.once("dream", world.finished_dream)
            count("a dream")
        case ["POST", "v1", "dreams", "dream_id", "archive"]:
            parts[2] = world.finished_dream()
            count("a finished dream")
        case ["POST", "v1", "dreams", "dream_id", "cancel"]:
            parts[2] = world.dream_to_cancel()
            count("a cancelled dream")
        case ["GET", "v1", "sessions", session, *_] if session == SESSION:
            parts[2] = world.reading_session()
            count("a session")
        case ["POST", "v1", "sessions", session, "events"] if session == SESSION:
            parts[2] = world.reading_session()
            count("a session")
        case [_, "v1", "sessions", session, *_] if session == SESSION:
            parts[2] = world.session()
            count("a session to change")
        case ["POST", "v1", "sessions"]:
            if isinstance(body, dict) and body.get("resources"):
                # Files are not served; the resource that is takes their place.
                body["resources"] = [{"type": "memory_store", "memory_store_id": world.reader()["store"]}]
                count("a memory store for a file resource")
        case _:
            pass
    lists = ("memory_stores", "memories", "memory_versions", "dreams", "sessions", "events")
    if method == "GET" and last in lists:
        asked = dict(query)
        for index, (name, value) in enumerate(query):
            match name, value:
                case "limit", "0":
                    query[index] = (name, "20")
                    count("a limit of at least one")
                case "page", "page":
                    if last == "dreams":
                        world.once("second dream", world.dream), world.once("third dream", world.dream)
                    elif last == "sessions":
                        world.reading_session(), world.once("second session", world.session)
                    else:
                        world.reader(), world.once("scratch", world.store)
                    query[index] = (name, world.cursor("/" + "/".join(parts), asked))
                    count("a cursor")
                case "path_prefix", "path_prefix":
                    query[index] = (name, "/path_prefix/")
                    count("a prefix with slashes")
                case "memory_id", "memory_id":
                    query[index] = (name, world.reader()["memory"])
                    count("a memory")
                case "memory_store_id", "memory_store_id":
                    query[index] = (name, world.reader()["store"])
                    count("a store")
    return body


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    world: World
    workspace: str

    def handle_any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        data = self.rfile.read(length) if length else b""
        address = urlsplit(self.path)
        parts = address.path.strip("/").split("/")
        query = parse_qsl(address.query, keep_blank_values=True)
        try:
            before = json.loads(data) if data else None
            kept = list(query)
            after = rewrite(self.world, self.command, parts, query, before)
        except SetUp as error:
            print(f"shim: {self.command} {self.path}: {error}", file=sys.stderr, flush=True)
            self.answer(424, f"shim: {error}")
            return
        except Exception as error:  # noqa: BLE001
            print(f"shim: {self.command} {self.path}: {error!r}", file=sys.stderr, flush=True)
            self.answer(424, f"shim: {error!r}")
            return
        if after != before:
            data = json.dumps(after).encode()
        # An unchanged query keeps the exact bytes the SDK sent.
        asked = address.query if kept == query else urlencode(query, quote_via=quote)
        path = "/" + "/".join(parts) + (f"?{asked}" if asked else "")
        self.forward(path, data)

    def forward(self, path: str, data: bytes) -> None:
        upstream = http.client.HTTPConnection(self.world.host, timeout=60)
        try:
            upstream.putrequest(self.command, path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                match name.lower():
                    case "content-length":
                        value = str(len(data))
                    case "connection" | "keep-alive":
                        continue
                    case "anthropic-workspace-id" if value == WORKSPACE:
                        value = self.workspace
                        count("the workspace of the key")
                upstream.putheader(name, value)
            if data and "content-length" not in {name.lower() for name in self.headers}:
                upstream.putheader("Content-Length", str(len(data)))
                if "content-type" not in {name.lower() for name in self.headers}:
                    upstream.putheader("Content-Type", "application/json")
            upstream.endheaders(data or None)
            answer = upstream.getresponse()
            self.send_response_only(answer.status)
            stream = answer.getheader("content-type", "").startswith("text/event-stream")
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                    self.send_header(name, value)
            if stream:
                self.close_connection = True
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.flush()
                self.pump(upstream, answer)
            else:
                text = answer.read()
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        except OSError as error:
            print(f"shim: {self.command} {path}: {error!r}", file=sys.stderr, flush=True)
            self.close_connection = True
        finally:
            upstream.close()

    def pump(self, upstream: http.client.HTTPConnection, answer: http.client.HTTPResponse) -> None:
        """A stream, line by line, until either side ends it."""
        if upstream.sock is not None:
            upstream.sock.settimeout(0.2)
        while True:
            try:
                line = answer.readline()
            except (TimeoutError, socket.timeout):
                self.connection.setblocking(False)
                try:
                    if self.connection.recv(1, socket.MSG_PEEK) == b"":
                        return
                except BlockingIOError:
                    pass
                finally:
                    self.connection.setblocking(True)
                # After one time-out the reader of http.client refuses to go on; the tests close streams unread.
                return
            if not line:
                return
            self.wfile.write(line)
            self.wfile.flush()

    def answer(self, status: int, message: str) -> None:
        error = {"type": "error", "error": {"type": "invalid_request_error", "message": message}, "request_id": "req_shim"}
        text = json.dumps(error).encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("x-should-retry", "false")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_DELETE = do_PATCH = do_PUT = handle_any

    def log_message(self, *_: object) -> None:
        pass


class Proxy(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    upstream, workspace, ready = sys.argv[1:4]
    Handler.world, Handler.workspace = World(upstream), workspace
    server = Proxy(("127.0.0.1", 0), Handler)

    def end(*_: object) -> None:
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, end)
    with open(ready, "w") as file:
        file.write(f"http://127.0.0.1:{server.server_port}\n")
    server.serve_forever()
    for kind, times in sorted(replaced.items()):
        print(f"{times:6} {kind}")


if __name__ == "__main__":
    main()
