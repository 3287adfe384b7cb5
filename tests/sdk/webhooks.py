"""Webhooks: what the server sends, as the SDK's own `unwrap` sees it; and what `unwrap` must not take."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import standardwebhooks
from anthropic import BadRequestError

import harness
import texts
from harness import Checks, until

checks = Checks("webhooks")


class Receiver:
    """Takes deliveries on loopback; the first attempt of the first event is answered with 500."""

    def __init__(self) -> None:
        self.seen: list[tuple[dict[str, str], str]] = []
        self.refuse_next = 1
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                receiver.seen.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(500 if receiver.refuse_next > 0 else 200)
                receiver.refuse_next -= 1
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def of_id(self, wanted: str) -> list[tuple[dict[str, str], str]]:
        return [(headers, body) for headers, body in self.seen if headers["webhook-id"] == wanted]

    def of(self, kind: str) -> list[tuple[dict[str, str], str]]:
        return [(headers, body) for headers, body in self.seen if json.loads(body)["data"]["type"] == kind]


def events(server: harness.Server, receiver: Receiver, secret: str) -> None:
    with harness.client(server) as api:
        store = api.beta.memory_stores.create(name="told").id
        headers, body = until("memory_store.created", lambda: receiver.of("memory_store.created"))[0]
        event = api.beta.webhooks.unwrap(body, headers=headers, key=secret)
        seen = (event.type, event.id, event.data.type, event.data.id)
        checks.same("unwrap takes what the server sends", seen, ("event", headers["webhook-id"], "memory_store.created", store))
        checks.same("with the workspace", event.data.workspace_id, server.workspace)
        for claim, call in {
            "another id": lambda: api.beta.webhooks.unwrap(body, headers={**headers, "webhook-id": "whe_1"}, key=secret),
            "another body": lambda: api.beta.webhooks.unwrap(body + " ", headers=headers, key=secret),
            "an old timestamp": lambda: api.beta.webhooks.unwrap(
                body, headers={**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 400)}, key=secret
            ),
            "another secret": lambda: api.beta.webhooks.unwrap(body, headers=headers, key="whsec_RVhBTVBMRQ=="),
        }.items():
            try:
                call()
                checks.that(f"{claim} is refused", False)
            except standardwebhooks.WebhookVerificationError:
                checks.that(f"{claim} is refused", True)
        checks.raises(
            "a held write",
            BadRequestError,
            lambda: api.beta.memory_stores.memories.create(store, path="/a.md", content=texts.HELD),
        )
        headers, body = until("memory.write_held", lambda: receiver.of("memory.write_held"))[0]
        event = api.beta.webhooks.unwrap(body, headers=headers, key=secret)
        checks.same("an event of our own is parsed loosely", event.data.type, "memory.write_held")
        checks.that("and holds ids, no text", "Ignore" not in body and "/a.md" not in body, body)
        api.beta.memory_stores.archive(store)
        api.beta.memory_stores.delete(store)
        for kind in ("memory_store.archived", "memory_store.deleted"):
            headers, body = until(kind, lambda: receiver.of(kind))[0]
            checks.same(kind, api.beta.webhooks.unwrap(body, headers=headers, key=secret).data.id, store)


def again(server: harness.Server, receiver: Receiver, secret: str) -> None:
    """A delivery that was answered with 500 comes again: the same event, a new timestamp and signature."""
    first_id = receiver.seen[0][0]["webhook-id"]
    same = until("the first event again", lambda: len(receiver.of_id(first_id)) >= 2 and receiver.of_id(first_id))
    checks.same("the same body", same[0][1], same[1][1])
    with harness.client(server) as api:
        event = api.beta.webhooks.unwrap(same[1][1], headers=same[1][0], key=secret)
        checks.same("which verifies", event.id, first_id)


def main() -> None:
    receiver = Receiver()
    server = harness.Server(flags=["--webhook-allow", "127.0.0.0/8"])
    words = ("webhook", "add", "--data", str(server.data), "--name", "sdk", "--url", receiver.url, "--format", "json")
    secret = json.loads(server.command(*words))["signing_secret"]
    with server:
        checks.step("events", events, server, receiver, secret)
        checks.step("again after a failure", again, server, receiver, secret)
    checks.end()


if __name__ == "__main__":
    main()
