"""A poisoned write comes back held, once; nothing is stored; a person releases it, and it is there.

The second half is the point of holding: the exact bytes that the agent sent are what the reviewer sees, and what is
stored when they are released.
"""

from __future__ import annotations

import json
import uuid

from anthropic import BadRequestError

import harness
import texts
from harness import Checks, Counting, code_of, details_of

checks = Checks("gate")
REVIEWERS = ("ana", "ben")
WHY = {"reason": "false_positive", "note": "Written by hand for a training deck."}


def main() -> None:
    server = harness.Server(flags=[flag for name in REVIEWERS for flag in ("--reviewer", name)])
    keys = {name: server.make_key(name, "reviewer") for name in REVIEWERS}
    with server:
        checks.step("held, then released on the folder", held_then_released, server)
        checks.step("held, then released on the wire", released_on_the_wire, server, keys)
        checks.step("held, then overtaken", held_then_overtaken, server, keys)
    checks.end()


def review(server: harness.Server, store: str, *arguments: str, codes: tuple[int, ...] = (0,)) -> object:
    """`memgate review` on the store's own folder, which is an ordinary data folder. The server is stopped meanwhile."""
    words = ("review", *arguments, "--data", str(server.store_folder(store)), "--format", "json")
    return json.loads(server.command(*words, codes=codes) or "null")


def release(server: harness.Server, store: str, item: str) -> None:
    digest = review(server, store, "show", item)["item"]["digest"]
    words = ("--digest", digest, "--reason", WHY["reason"], "--note", WHY["note"])
    for reviewer in REVIEWERS:
        review(server, store, "release", item, *words, "--as", reviewer, codes=(0, 1))
        if not [held for held in open_items(server, store) if held["id"] == item]:
            return


def open_items(server: harness.Server, store: str) -> list[dict[str, object]]:
    return [item for item in review(server, store, "list")["items"] if item.get("state", "open") in ("open", "awaits_second")]


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
    record = review(server, store, "show", str(item))["item"]
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


def once(tag: str) -> dict[str, str]:
    """What a decision needs beside its body: the item as it was seen, and a key of its own."""
    return {"if-match": tag, "idempotency-key": uuid.uuid4().hex}


def decide(server: harness.Server, store: str, item: str, keys: dict[str, str]) -> list[tuple[int, object]]:
    """Each reviewer releases what the server shows, until it is decided; their answers."""
    answers: list[tuple[int, object]] = []
    for key in keys.values():
        path = f"/api/v1/stores/{store}/reviews/{item}"
        _, headers, shown = server.raw("GET", path, key=key)
        body = {"digest": shown["digest"], **WHY}
        status, _, answer = server.raw("POST", f"{path}:release", body, key=key, headers=once(headers["etag"]))
        answers.append((status, answer))
        if status != 200 or answer.get("outcome") != "awaits_second":
            break
    return answers


def released_on_the_wire(server: harness.Server, keys: dict[str, str]) -> None:
    with harness.client(server) as api:
        store = api.beta.memory_stores.create(name="reviewed").id
        memories = api.beta.memory_stores.memories
        one = memories.create(store, path="/a.md", content=texts.HONEST)
        whole = texts.HONEST + texts.HELD
        error = checks.raises(
            "an update is held", BadRequestError, lambda: memories.update(one.id, memory_store_id=store, content=whole)
        )
        item = details_of(error).get("review_id")
        status, _, answer = server.raw("POST", f"/api/v1/stores/{store}/reviews/{item}:release", {"digest": "0" * 64, **WHY})
        checks.same("whoever wrote it may not release it", status, 403)
        path = f"/api/v1/stores/{store}/reviews/{item}:release"
        tag = server.raw("GET", path.removesuffix(":release"), key=keys["ana"])[1]["etag"]
        status = server.raw("POST", path, {"digest": "0" * 64, **WHY}, key=keys["ana"], headers=once(tag))[0]
        checks.that("another text's digest releases nothing", 400 <= status < 500, status)
        checks.same("still as before", memories.retrieve(one.id, memory_store_id=store).content, texts.HONEST)
        answers = decide(server, store, str(item), keys)
        checks.same("released", answers[-1][0], 200)
        now = memories.retrieve(one.id, memory_store_id=store)
        checks.same("the memory is what was sent, under its own id", now.content, whole)
        versions = [v.operation for v in api.beta.memory_stores.memory_versions.list(store)]
        checks.same("in one more version", versions, ["modified", "created"])


def held_then_overtaken(server: harness.Server, keys: dict[str, str]) -> None:
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
        status, answer = decide(server, store, str(item), keys)[-1]
        checks.that("its release is refused", 400 <= status < 500, (status, answer))
        now = memories.retrieve(one.id, memory_store_id=store)
        checks.same("the later write stays", now.content, texts.OTHER)


if __name__ == "__main__":
    main()
