"""Errors as the SDK maps them: kinds, types, codes, one request each (the wire's sections 2.6, 4, 5 and 12)."""

from __future__ import annotations

import anthropic
from anthropic import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
)

import harness
import texts
from harness import Checks, Counting, code_of, type_of

checks = Checks("errors")
ZEROS = "0" * 64


def precondition(sha: str) -> dict[str, str]:
    return {"type": "content_sha256", "content_sha256": sha}


def credentials(server: harness.Server) -> None:
    counting = Counting()
    with harness.client(server, api_key="not-a-key", http_client=counting.transport()) as api:
        requests, error = counting.during(lambda: api.beta.memory_stores.list())
        checks.that("a bad key is AuthenticationError", type(error) is AuthenticationError, error)
        checks.same("of type authentication_error", type_of(error), "authentication_error")
        checks.that("and has a request id", (error.request_id or "").startswith("req_"), error.request_id)
        checks.same("and is sent once", requests, 1)
    status, headers, body = server.raw("GET", "/v1/memory_stores", key=None)
    checks.same("no credential is 401", (status, body["error"]["type"]), (401, "authentication_error"))
    checks.same("with x-should-retry: false", headers.get("x-should-retry"), "false")
    status, _, _ = server.raw("GET", "/v1/memory_stores", key=None, headers={"X-Api-Key": server.key})
    checks.same("X-Api-Key alone opens", status, 200)
    status, _, _ = server.raw("GET", "/v1/memory_stores", headers={"X-Api-Key": server.key})
    checks.same("both headers with one key open", status, 200)
    status, _, body = server.raw("GET", "/v1/memory_stores", headers={"X-Api-Key": "another"})
    checks.same("two different keys are 401", (status, body["error"]["type"]), (401, "authentication_error"))
    status, _, body = server.raw("GET", "/v1/memory_stores", headers={"anthropic-workspace-id": "wrkspc_01other"})
    checks.same("another workspace is 403", (status, body["error"]["type"]), (403, "permission_error"))
    headers = {"anthropic-workspace-id": server.workspace, "anthropic-version": "1999-01-01", "anthropic-beta": "a,b"}
    status, headers, _ = server.raw("GET", "/v1/memory_stores?beta=true", headers=headers)
    checks.same("any version, any beta, one's own workspace", status, 200)
    checks.that("every answer has a request id", headers.get("request-id", "").startswith("req_"), headers)


def unknown(server: harness.Server) -> None:
    counting = Counting()
    with harness.client(server, http_client=counting.transport()) as api:
        store = api.beta.memory_stores.create(name="unknown")
        stores = api.beta.memory_stores
        calls = {
            "store": lambda: stores.retrieve("memstore_01zzzzzzzzzzzzzzzzzzzzzz"),
            "store of an odd form": lambda: stores.retrieve("whatever"),
            "memory": lambda: stores.memories.retrieve("mem_01zz", memory_store_id=store.id),
            "memory to delete": lambda: stores.memories.delete("mem_01zz", memory_store_id=store.id),
            "version": lambda: stores.memory_versions.retrieve("memver_01zz", memory_store_id=store.id),
            "dream": lambda: api.beta.dreams.retrieve("drm_01zz"),
            "session": lambda: api.beta.sessions.retrieve("sesn_01zz"),
            "events of a session": lambda: api.beta.sessions.events.list("sesn_01zz"),
        }
        for what, call in calls.items():
            requests, error = counting.during(call)
            kind = (type(error), type_of(error), requests)
            checks.same(f"an unknown {what} is NotFoundError, sent once", kind, (NotFoundError, "not_found_error", 1))
    for path in ("/v1/messages", "/v1/models", "/v1/agents", "/v1/nothing", "/v2/memory_stores"):
        status, _, body = server.raw("GET", path)
        seen = (status, body["error"]["type"], (body["error"].get("details") or {}).get("error_code"))
        expected = "route_not_served" if path.startswith("/v1") else seen[2]
        checks.same(f"{path} is not served", seen, (404, "not_found_error", expected))


def conflicts(server: harness.Server) -> None:
    counting = Counting()
    with harness.client(server, http_client=counting.transport()) as api:
        store = api.beta.memory_stores.create(name="conflicts").id
        memories = api.beta.memory_stores.memories
        first = memories.create(store, path="/a/b.md", content=texts.HONEST)
        for path in ("/a/b.md", "/a", "/a/b.md/c"):
            requests, error = counting.during(lambda: memories.create(store, path=path, content=texts.OTHER))
            checks.that(f"{path} beside /a/b.md is ConflictError", type(error) is ConflictError, error)
            checks.same("a path conflict by type", type_of(error), "memory_path_conflict_error")
            checks.same("sent once", requests, 1)
            inner = error.body["error"]
            named = (inner.get("conflicting_memory_id"), inner.get("conflicting_path"))
            checks.same("names what is in the way", named, (first.id, "/a/b.md"))
        memories.create(store, path="/c.md", content=texts.HONEST)
        requests, error = counting.during(lambda: memories.update(first.id, memory_store_id=store, path="/c.md"))
        seen = (type(error), type_of(error), requests)
        checks.same("a rename onto a used path", seen, (ConflictError, "memory_path_conflict_error", 1))
        stale = precondition(ZEROS)
        requests, error = counting.during(
            lambda: memories.update(first.id, memory_store_id=store, content=texts.OTHER, precondition=stale)
        )
        seen = (type(error), type_of(error), requests)
        checks.same("a stale precondition", seen, (ConflictError, "memory_precondition_failed_error", 1))
        checks.that("reveals nothing of what is there", first.content_sha256 not in str(error.body), error.body)
        same = memories.update(first.id, memory_store_id=store, content=texts.HONEST, precondition=stale)
        checks.same("a no-op beats it", same.memory_version_id, first.memory_version_id)
        requests, error = counting.during(
            lambda: memories.delete(first.id, memory_store_id=store, expected_content_sha256=ZEROS)
        )
        seen = (type(error), type_of(error), requests)
        checks.same("a stale delete", seen, (ConflictError, "memory_precondition_failed_error", 1))
        holds = precondition(first.content_sha256)
        moved = memories.update(
            first.id, memory_store_id=store, path="/d/e.md", content=texts.OTHER, precondition=holds, view="full"
        )
        checks.same("a rename keeps the id", (moved.id, moved.path, moved.content), (first.id, "/d/e.md", texts.OTHER))
        gone = memories.delete(first.id, memory_store_id=store, expected_content_sha256=moved.content_sha256)
        checks.same("a delete with the right hash", (gone.id, gone.type), (first.id, "memory_deleted"))
        checks.raises("deleted is gone", NotFoundError, lambda: memories.retrieve(first.id, memory_store_id=store))
        checks.raises("deleted twice", NotFoundError, lambda: memories.delete(first.id, memory_store_id=store))


def bad_input(server: harness.Server) -> None:
    counting = Counting()
    with harness.client(server, http_client=counting.transport()) as api:
        store = api.beta.memory_stores.create(name="bad input").id
        memories = api.beta.memory_stores.memories

        def refused(claim: str, call: object, status: int = 400) -> None:
            requests, error = counting.during(call)
            kind = error.status_code if isinstance(error, APIStatusError) else error
            checks.same(f"{claim}: {status}, once", (kind, requests), (status, 1))

        long_segments = "/" + "/".join("a" for _ in range(21))
        paths = ["", "a.md", "/", "/a//b", "/a/", "/a/./b", "/a/../b", "/a\u0000b", "/a\u200bb", "/a\u202eb", "/a\u2028b"]
        paths += ["/cafe\u0301.md", long_segments, "/" + "a" * 1024, "/.anthropic-memory-store"]
        for path in paths:
            shown = path.encode("unicode_escape").decode()[:30]
            refused(f"path {shown!r}", lambda: memories.create(store, path=path, content=texts.HONEST))
        for path in ("/" + "/".join("a" for _ in range(20)), "/b" + "c" * 1022, "/caf\u00e9.md", "/\u65e5\u672c.md"):
            made = memories.create(store, path=path, content=texts.HONEST)
            shown = path.encode("unicode_escape").decode()[:30]
            checks.same(f"path {shown!r} is kept as it is", made.path, path)
        whole = texts.long(102_400)
        made = memories.create(store, path="/long.md", content=whole)
        checks.same("102,400 bytes pass", made.content_size_bytes, 102_400)
        refused("102,401 bytes", lambda: memories.create(store, path="/longer.md", content=whole + "x"))
        refused("102,401 bytes in an update", lambda: memories.update(made.id, memory_store_id=store, content=whole + "x"))
        empty = memories.create(store, path="/empty.md", content="")
        checks.same("an empty memory", empty.content_size_bytes, 0)
        refused("an update of nothing", lambda: memories.update(made.id, memory_store_id=store))
        wanted = {
            "view": {"view": "half"},
            "limit 0": {"limit": 0},
            "limit 101": {"limit": 101},
            "depth 2": {"depth": 2},
            "a prefix without slashes": {"path_prefix": "a"},
            "a cursor that was not given out": {"page": "page_nonsense"},
        }
        for claim, query in wanted.items():
            refused(claim, lambda: memories.list(store, **query))
        for limit in (0, 101):
            refused(f"stores, limit {limit}", lambda: api.beta.memory_stores.list(limit=limit))
        stores = api.beta.memory_stores
        refused("a store without a name", lambda: stores.create(name=""))
        refused("a name of 256 characters", lambda: stores.create(name="n" * 256))
        refused("a control character in a name", lambda: stores.create(name="a\u0007b"))
        refused("a description of 1,025 characters", lambda: stores.create(name="n", description="d" * 1025))
        refused("17 pairs of metadata", lambda: stores.create(name="n", metadata={str(n): "v" for n in range(17)}))
        refused("a metadata value of 513", lambda: stores.create(name="n", metadata={"k": "v" * 513}))
    path = f"/v1/memory_stores/{store}/memories"
    for claim, body in {
        "content null": {"path": "/n.md", "content": None},
        "no content": {"path": "/n.md"},
        "no path": {"content": "x"},
        "an unknown key": {"path": "/n.md", "content": "x", "colour": "red"},
        "a number for a path": {"path": 7, "content": "x"},
        "a list": [],
        "no JSON": b"{",
        "no UTF-8": b'{"path":"/n.md","content":"\xff"}',
        "a lone surrogate": b'{"path":"/n.md","content":"\\ud800"}',
        "a key twice": b'{"path":"/n.md","content":"a","content":"b"}',
        "very deep JSON": b'{"path":"/n.md","content":' + b"[" * 5000 + b"]" * 5000 + b"}",
    }.items():
        status, headers, answer = server.raw("POST", path, body)
        checks.same(f"{claim}: 400", (status, answer["error"]["type"]), (400, "invalid_request_error"))
        checks.same("not to be tried again", headers.get("x-should-retry"), "false")
        if claim == "an unknown key":
            checks.that("the key is named", "colour" in answer["error"]["message"], answer)
    big = b'{"path":"/n.md","content":"' + b"a" * 40_000_000 + b'"}'
    try:
        status = server.raw("POST", path, big)[0]
    except OSError:
        status = 413  # the server closed while the body was still on its way
    checks.same("a body of 40 MB", status, 413)
    status, _, _ = server.raw("PUT", path, {})
    checks.that("a wrong method is 404 or 405", status in (404, 405), status)


def archived(server: harness.Server) -> None:
    with harness.client(server) as api:
        stores, memories, versions = (
            api.beta.memory_stores,
            api.beta.memory_stores.memories,
            api.beta.memory_stores.memory_versions,
        )
        store = stores.create(name="to archive").id
        one = memories.create(store, path="/a.md", content=texts.HONEST)
        two = memories.update(one.id, memory_store_id=store, content=texts.OTHER)
        head = two.memory_version_id
        checks.raises(
            "a head cannot be redacted", BadRequestError, lambda: versions.redact(head, memory_store_id=store)
        )
        done = stores.archive(store)
        checks.that("archived", done.archived_at, done)
        checks.same("archived twice is the same", stores.archive(store).archived_at, done.archived_at)
        for claim, call in {
            "update of an archived store": lambda: stores.update(store, name="n"),
            "create in an archived store": lambda: memories.create(store, path="/b.md", content=texts.HONEST),
            "update in an archived store": lambda: memories.update(one.id, memory_store_id=store, content="x"),
        }.items():
            checks.raises(claim, BadRequestError, call)
        redacted = versions.redact(one.memory_version_id, memory_store_id=store)
        fields = (redacted.content, redacted.path, redacted.content_sha256, redacted.content_size_bytes)
        checks.same("redaction clears", fields, (None, None, None, None))
        checks.that("and says when and by whom", redacted.redacted_at and redacted.redacted_by, redacted)
        again = versions.redact(one.memory_version_id, memory_store_id=store)
        checks.same("redacted twice is the same", again.redacted_at, redacted.redacted_at)
        read = versions.retrieve(one.memory_version_id, memory_store_id=store)
        checks.same("and reads so", (read.operation, read.path, read.content), ("created", None, None))
        checks.same("deleting works", memories.delete(one.id, memory_store_id=store).id, one.id)
        listed = [s.id for s in stores.list()]
        checks.that("archived stores are not listed", store not in listed)
        checks.that("unless asked for", store in [s.id for s in stores.list(include_archived=True)])
        gone = stores.delete(store)
        checks.same("a store is deleted", (gone.id, gone.type), (store, "memory_store_deleted"))
        checks.raises("and gone", NotFoundError, lambda: stores.retrieve(store))
        checks.raises("with all it held", NotFoundError, lambda: list(versions.list(store)))


def gate(server: harness.Server) -> None:
    counting = Counting()
    with harness.client(server, http_client=counting.transport()) as api:
        store = api.beta.memory_stores.create(name="gate").id
        memories = api.beta.memory_stores.memories
        for text, code in ((texts.HELD, "memory_write_held"), (texts.REFUSED, "memory_write_blocked")):
            requests, error = counting.during(lambda: memories.create(store, path="/a.md", content=text))
            checks.that(f"{code} is BadRequestError", type(error) is BadRequestError, error)
            checks.same("by type", type_of(error), "invalid_request_error")
            checks.same("by code", code_of(error), code)
            checks.same("sent once", requests, 1)
            checks.that("without an echo of the text", text[2:20] not in str(error.body), error.body)
        checks.same("nothing is stored", list(memories.list(store)), [])
        kept = memories.create(store, path="/k.md", content=texts.SECRET, view="full")
        checks.that("a secret is masked", kept.content == texts.SECRET.replace("AKIAIOSFODNN7EXAMPLE", texts.MASKED), kept)
        import hashlib

        checks.same("the hash is of what was stored", kept.content_sha256, hashlib.sha256(kept.content.encode()).hexdigest())


def roles(server: harness.Server, reader: str) -> None:
    with harness.client(server) as api, harness.client(server, api_key=reader) as other:
        store = api.beta.memory_stores.create(name="roles").id
        checks.that("a reading key reads", other.beta.memory_stores.retrieve(store).id == store)
        error = checks.raises(
            "and does not write",
            PermissionDeniedError,
            lambda: other.beta.memory_stores.memories.create(store, path="/a.md", content=texts.HONEST),
        )
        checks.same("by type", type_of(error), "permission_error")


def main() -> None:
    server = harness.Server()
    reader = ""
    try:
        reader = server.make_key("reader", "auditor")
    except RuntimeError as error:
        print(f"# no reading key: {str(error).splitlines()[-1]}")
    with server:
        checks.step("credentials", credentials, server)
        checks.step("what is unknown", unknown, server)
        checks.step("conflicts", conflicts, server)
        checks.step("bad input", bad_input, server)
        checks.step("archived stores", archived, server)
        checks.step("the gate's errors", gate, server)
        if reader:
            checks.step("a key that may only read", roles, server, reader)
        else:
            checks.skip("a key that may only read", "no such role")
    print(f"# {anthropic.__version__}")
    checks.end()


if __name__ == "__main__":
    main()
