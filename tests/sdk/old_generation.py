"""What the older SDK sends (X-Api-Key, an older version, `?beta=true`), and that one script runs on both."""

from __future__ import annotations

from anthropic import BadRequestError

import harness
import texts
from harness import Checks, code_of

checks = Checks("old_generation")


class Sent:
    """Headers and queries as they leave the SDK."""

    def __init__(self) -> None:
        self.last: dict[str, str] = {}
        self.query = ""

    def transport(self) -> object:
        from anthropic import DefaultHttpxClient

        return DefaultHttpxClient(event_hooks={"request": [self._note]})

    def _note(self, request: object) -> None:
        self.last = {name.lower(): value for name, value in request.headers.items()}
        self.query = request.url.query.decode()


def run(server: harness.Server) -> None:
    sent = Sent()
    with harness.client(server, http_client=sent.transport()) as api:
        stores = api.beta.memory_stores
        store = stores.create(name="notes", description="d", metadata={"a": "1", "b": "2"})
        if harness.is_old():
            seen = ("x-api-key" in sent.last, sent.last["anthropic-version"], "beta=true" in sent.query)
            checks.same("the older headers and query", seen, (True, "2023-06-01", True))
        else:
            seen = (sent.last["authorization"].split(" ")[0], "x-api-key" in sent.last)
            checks.same("the newer header", seen, ("Bearer", False))
        named = sent.last.get("anthropic-beta", "")
        checks.that("a beta value for memory", "memory" in named or "managed" in named, named)
        changed = stores.update(store.id, description="", metadata={"a": None, "c": "3"})
        checks.same("update is a patch", (changed.description, changed.metadata), ("", {"b": "2", "c": "3"}))
        memory = stores.memories.create(store.id, path="/a.md", content=texts.HONEST)
        read = stores.memories.retrieve(memory.id, memory_store_id=store.id)
        checks.same("a memory is read back", (read.path, read.content), ("/a.md", texts.HONEST))
        precondition = {"type": "content_sha256", "content_sha256": read.content_sha256}
        now = stores.memories.update(
            memory.id, memory_store_id=store.id, content=texts.OTHER, precondition=precondition
        )
        checks.that("changed", now.content_sha256 != read.content_sha256 and now.id == memory.id, now)
        with_both = ["managed-agents-2026-04-01"]
        listed = list(stores.memories.list(store.id, betas=with_both))
        checks.same("two memory betas at once", [m.id for m in listed], [memory.id])
        versions = list(stores.memory_versions.list(store.id, memory_id=memory.id))
        checks.same("versions", [v.operation for v in versions], ["modified", "created"])
        redacted = stores.memory_versions.redact(versions[1].id, memory_store_id=store.id)
        checks.that("redacted", redacted.redacted_at and redacted.path is None, redacted)
        error = checks.raises(
            "poison is held",
            BadRequestError,
            lambda: stores.memories.create(store.id, path="/p.md", content=texts.HELD),
        )
        checks.same("by code", code_of(error), "memory_write_held")
        session = api.beta.sessions.create(agent="agent_a", environment_id="env_a")
        said = [{"type": "text", "text": "Our office in Bergen opens at eight."}]
        api.beta.sessions.events.send(session.id, events=[{"type": "user.message", "content": said}])
        asked = [
            {"type": "memory_store", "memory_store_id": store.id},
            {"type": "sessions", "session_ids": [session.id]},
        ]
        dream = harness.finished(api, api.beta.dreams.create(inputs=asked, model="m").id)
        checks.same("a dream completes", dream.status, "completed")
        with api.beta.sessions.events.stream(session.id) as stream:
            api.beta.sessions.events.send(session.id, events=[{"type": "user.message", "content": said}])
            event = next(iter(stream))
            checks.same("the stream brings what comes", event.type, "user.message")
        checks.same("and no more once deleted", api.beta.sessions.delete(session.id).type, "session_deleted")
        checks.same("a memory is deleted", stores.memories.delete(memory.id, memory_store_id=store.id).id, memory.id)
        checks.same("a store is deleted", stores.delete(store.id).id, store.id)


def main() -> None:
    with harness.Server() as server:
        checks.step("one script", run, server)
    checks.end()


if __name__ == "__main__":
    main()
