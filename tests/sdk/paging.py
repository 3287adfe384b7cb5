"""Paging: over a hundred memories, versions, stores, sessions and events (the wire's sections 2.5, 4 and 5)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from anthropic import BadRequestError

import harness
from harness import Checks, Counting

checks = Checks("paging")


def note(number: int) -> str:
    return f"- Machine {number} stands in rack {number % 40}.\n"


def memories(server: harness.Server) -> None:
    counting = Counting()
    with harness.client(server, http_client=counting.transport()) as api:
        store = api.beta.memory_stores.create(name="many").id
        all_memories = api.beta.memory_stores.memories
        paths = [f"/a{n:03}.md" for n in range(105)] + [f"/dir{n % 6}/deep/m{n}.md" for n in range(24)]
        paths += ["/Z.md", "/dir1.md", "/z\u00e4.md"]
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda n: all_memories.create(store, path=paths[n], content=note(n)), range(len(paths))))
        checks.same("ids are unique", len({memory.id for memory in made}), len(paths))
        checks.that("and of the hosted form", all(m.id.startswith("mem_01") and len(m.id) == 28 for m in made), made[0].id)
        for limit in (1, 7, 20, 100):
            if limit == 1:
                page = all_memories.list(store, limit=1)
                checks.same("a page of one", len(page.data), 1)
                continue
            requests, seen = counting.during(lambda: [memory.path for memory in all_memories.list(store, limit=limit)])
            checks.same(f"all by {limit}, in byte order", seen, sorted(paths, key=str.encode))
            checks.same("in as few requests as pages", requests, -(-len(paths) // limit))
        full = list(all_memories.list(store, view="full", limit=100))
        checks.that("view=full has contents", all(m.content == note(paths.index(m.path)) for m in full), full[:1])
        page = all_memories.list(store, view="full", limit=100)
        checks.same("by 20 at most", len(page.data), 20)
        basic = all_memories.list(store).data[0]
        checks.that("view=basic has none", basic.content is None and basic.content_sha256, basic)
        top = list(all_memories.list(store, depth=1, limit=10))
        prefixes = [item.path for item in top if item.type == "memory_prefix"]
        checks.same("depth=1 rolls folders up", prefixes, [f"/dir{n}/" for n in range(6)])
        checks.same("and keeps the rest", len(top), 105 + 6 + 3)
        order = [item.path for item in top]
        checks.same("one list in byte order", order, sorted(order, key=str.encode))
        below = [item.path for item in all_memories.list(store, path_prefix="/dir1/", depth=1)]
        checks.same("depth below a prefix", below, ["/dir1/deep/"])
        below = [item.path for item in all_memories.list(store, path_prefix="/dir1/deep/")]
        checks.same("a prefix is whole segments", below, sorted(p for p in paths if p.startswith("/dir1/")))
        checks.same("no such prefix", list(all_memories.list(store, path_prefix="/nothing/")), [])
        stable_while_written(api, store, paths)


def stable_while_written(api: object, store: str, paths: list[str]) -> None:
    """What was there all the time is listed once, whatever is written meanwhile."""
    seen: list[str] = []
    page = api.beta.memory_stores.memories.list(store, limit=10)
    number = 0
    while True:
        seen += [item.path for item in page.data]
        number += 1
        content = note(number)
        api.beta.memory_stores.memories.create(store, path=f"/0new{number}.md", content=content)
        if not page.has_next_page():
            break
        page = page.get_next_page()
    old = [path for path in seen if path in set(paths)]
    checks.same("a listing under writes loses and repeats nothing", old, sorted(paths, key=str.encode))
    checks.that("cursors show no path", "/" not in str(page.next_page or "") and "dir" not in str(page.next_page or ""))


def versions(server: harness.Server) -> None:
    with harness.client(server) as api:
        store = api.beta.memory_stores.create(name="versions").id
        memories, listed = api.beta.memory_stores.memories, api.beta.memory_stores.memory_versions
        one = memories.create(store, path="/v.md", content=note(0))
        for number in range(1, 110):
            memories.update(one.id, memory_store_id=store, content=note(number))
        two = memories.create(store, path="/w.md", content=note(500))
        memories.update(two.id, memory_store_id=store, path="/x.md")
        memories.delete(two.id, memory_store_id=store)
        first = list(listed.list(store, memory_id=one.id, limit=25))
        checks.same("110 versions of one memory", len(first), 110)
        checks.that("newest first", [v.created_at for v in first] == sorted((v.created_at for v in first), reverse=True))
        checks.same("one created, the rest modified", [v.operation for v in first], ["modified"] * 109 + ["created"])
        checks.same("the newest is the head", first[0].id, memories.retrieve(one.id, memory_store_id=store).memory_version_id)
        ids = [version.id for version in first]
        checks.same("no version twice", len(set(ids)), 110)
        read = listed.retrieve(ids[50], memory_store_id=store)
        checks.same("an old content can be read", read.content, note(109 - 50))
        other = list(listed.list(store, memory_id=two.id))
        seen = [(v.operation, v.path) for v in other]
        expected = [("deleted", "/x.md"), ("modified", "/x.md"), ("created", "/w.md")]
        checks.same("the versions of a deleted memory", seen, expected)
        checks.that("a deletion has no content", other[0].content_sha256 is None and other[0].content is None, other[0])
        author = first[0].created_by
        checks.same("the author is the key", (author.type, author.api_key_id[:7]), ("api_actor", "apikey_"))
        mine = list(listed.list(store, api_key_id=author.api_key_id, operation="deleted"))
        checks.same("filters together", [v.memory_id for v in mine], [two.id])
        checks.same("another key wrote nothing", list(listed.list(store, api_key_id="apikey_01other")), [])
        middle = first[60].created_at
        later = list(listed.list(store, memory_id=one.id, created_at_gte=middle))
        earlier = list(listed.list(store, memory_id=one.id, created_at_lte=middle))
        checks.that("time bounds are inclusive", len(later) + len(earlier) > 110, (len(later), len(earlier)))


def stores(server: harness.Server) -> None:
    with harness.client(server) as api:
        before = {store.id for store in api.beta.memory_stores.list()}
        made = [api.beta.memory_stores.create(name=f"store {n}").id for n in range(25)]
        seen = [store.id for store in api.beta.memory_stores.list() if store.id not in before]
        checks.same("stores, newest first", seen, made[::-1])
        by_seven = [store.id for store in api.beta.memory_stores.list(limit=7) if store.id not in before]
        checks.same("by seven", by_seven, made[::-1])
        cut = api.beta.memory_stores.retrieve(made[9]).created_at
        seen = [store.id for store in api.beta.memory_stores.list(created_at_gte=cut) if store.id in made[10:]]
        checks.same("created_at[gte]", len(seen), 15)


def sessions(server: harness.Server) -> None:
    with harness.client(server) as api:
        made = [api.beta.sessions.create(agent="agent_a", environment_id="env_a", title=str(n)).id for n in range(24)]
        seen = [session.id for session in api.beta.sessions.list(limit=5)]
        checks.same("sessions, newest first", seen, made[::-1])
        seen = [session.id for session in api.beta.sessions.list(limit=5, order="asc")]
        checks.same("or oldest first", seen, made)
        first = api.beta.sessions.list(limit=5)
        page = first.get_next_page()
        checks.that("the second page has a way back", page.prev_page and not first.prev_page, page.prev_page)
        checks.raises(
            "a cursor keeps its order",
            BadRequestError,
            lambda: api.beta.sessions.list(limit=5, order="asc", page=first.next_page),
        )
        one = made[0]
        for start in range(0, 120, 40):
            batch = [
                {"type": "user.message", "content": [{"type": "text", "text": f"Machine {n} is in rack 3."}]}
                for n in range(start, start + 40)
            ]
            api.beta.sessions.events.send(one, events=batch)

        def words(**query: object) -> list[str]:
            listed = api.beta.sessions.events.list(one, types=["user.message"], **query)
            return [event.content[0].text for event in listed]

        expected = [f"Machine {n} is in rack 3." for n in range(120)]
        checks.same("events in the order they came", words(), expected)
        checks.same("by 50", words(limit=50), expected)
        checks.same("backwards", words(limit=50, order="desc"), expected[::-1])
        checks.same("no other type", list(api.beta.sessions.events.list(one, types=["agent.message"])), [])


def main() -> None:
    with harness.Server() as server:
        checks.step("memories", memories, server)
        checks.step("versions", versions, server)
        checks.step("stores", stores, server)
        checks.step("sessions and events", sessions, server)
    checks.end()


if __name__ == "__main__":
    main()
