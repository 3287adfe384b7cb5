"""A poisoned write comes back held, once; nothing is stored; a person releases it, and it is there.

The second half is the point of holding: the exact bytes that the agent sent are what the reviewer sees, and what is
stored when they are released.
"""

from __future__ import annotations

import json

from anthropic import BadRequestError

import harness
import texts
from harness import Checks, Counting, code_of, details_of

checks = Checks("gate")


def main() -> None:
    with harness.Server() as server:
        checks.step("held, then released", held_then_released, server)
        checks.step("held, then overtaken", held_then_overtaken, server)
    checks.end()


def review(server: harness.Server, store: str, *arguments: str, codes: tuple[int, ...] = (0,)) -> object:
    """`memgate review` on the store's own folder, which is an ordinary data folder. The server is stopped meanwhile."""
    words = ("review", *arguments, "--data", str(server.store_folder(store)), "--format", "json")
    return json.loads(server.command(*words, codes=codes) or "null")


def release(server: harness.Server, store: str, item: str) -> None:
    shown = review(server, store, "show", item)
    record = shown.get("item", shown) if isinstance(shown, dict) else shown
    digest = record["digest"]
    words = ("--digest", digest, "--reason", "false_positive", "--note", "Written by hand for a training deck.")
    for reviewer in ("ana", "ben"):
        review(server, store, "release", item, *words, "--as", reviewer, codes=(0, 1))
        if not [held for held in open_items(server, store) if held["id"] == item]:
            return


def open_items(server: harness.Server, store: str) -> list[dict[str, object]]:
    listed = review(server, store, "list")
    items = listed.get("items", listed) if isinstance(listed, dict) else listed
    return [item for item in items if item.get("state", "open") in ("open", "awaits_second")]


def held_then_released(server: harness.Server) -> None:
    counting = Counting()
    with harness.client(server, http_client=counting.transport()) as api:
        store = api.beta.memory_stores.create(name="held").id
        memories = api.beta.memory_stores.memories
        whole = texts.HONEST + texts.HELD
        requests, error = counting.during(lambda: memories.create(store, path="/a.md", content=whole))
        checks.that("a poisoned write is BadRequestError", type(error) is BadRequestError, error)
        checks.same("held", code_of(error), "memory_write_held")
        checks.same("one attempt only", requests, 1)
        item = details_of(error).get("review_id")
        checks.that("with the id to review", item, error.body)
        checks.same("nothing is stored, not even the honest lines", list(memories.list(store)), [])
        again = checks.raises(
            "the same write again is held again",
            BadRequestError,
            lambda: memories.create(store, path="/a.md", content=whole),
        )
        checks.same("as the same item", details_of(again).get("review_id"), item)
    server.stop()
    items = open_items(server, store)
    checks.same("one item for the whole write", [held["id"] for held in items], [item])
    shown = review(server, store, "show", str(item))
    record = shown.get("item", shown) if isinstance(shown, dict) else shown
    checks.same("the reviewer sees exactly the bytes that will be stored", record["text"], whole)
    release(server, store, str(item))
    server.start()
    with harness.client(server) as api:
        memories = api.beta.memory_stores.memories
        stored = {memory.path: memory.content for memory in memories.list(store, view="full")}
        checks.same("released, it is stored as it was sent", stored, {"/a.md": whole})
        versions = list(api.beta.memory_stores.memory_versions.list(store))
        checks.same("in one version", [version.operation for version in versions], ["created"])
    server.stop()
    report = server.command("verify", "--data", str(server.store_folder(store)))
    checks.that("the store verifies", "ok" in report.lower() or "good" in report.lower(), report)
    server.start()


def held_then_overtaken(server: harness.Server) -> None:
    """What was held for a memory that has changed since is not applied over the change."""
    with harness.client(server) as api:
        store = api.beta.memory_stores.create(name="overtaken").id
        memories = api.beta.memory_stores.memories
        one = memories.create(store, path="/a.md", content=texts.HONEST)
        error = checks.raises(
            "an update is held",
            BadRequestError,
            lambda: memories.update(one.id, memory_store_id=store, content=texts.HONEST + texts.HELD),
        )
        item = details_of(error).get("review_id")
        memories.update(one.id, memory_store_id=store, content=texts.OTHER)
    server.stop()
    shown = review(server, store, "show", str(item))
    record = shown.get("item", shown) if isinstance(shown, dict) else shown
    words = ("--digest", record["digest"], "--reason", "false_positive", "--note", "Written by hand.")
    for reviewer in ("ana", "ben"):
        server.command(
            "review", "release", str(item), *words, "--as", reviewer, "--data", str(server.store_folder(store)),
            codes=tuple(range(0, 128)),
        )
    server.start()
    with harness.client(server) as api:
        now = api.beta.memory_stores.memories.retrieve(one.id, memory_store_id=store)
        checks.same("the later write stays", now.content, texts.OTHER)


if __name__ == "__main__":
    main()
