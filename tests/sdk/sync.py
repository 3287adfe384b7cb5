"""The SDK's own session sync (`SessionMemoryStores`), end to end, on files in a folder.

The older generation has no session sync: there, the newer one's two files are loaded on top of the older client, which
sends the older headers and queries. `MEMGATE_SDK_SYNC_FROM` names the folder they come from.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import anthropic

import harness
import texts
from harness import Checks

checks = Checks("sync")


def sync_module() -> Any:
    try:
        from anthropic.lib.tools import _memories

        return _memories
    except ImportError:
        folder = Path(os.environ["MEMGATE_SDK_SYNC_FROM"])
        import anthropic.lib.tools

        for name in ("_file_store", "_memories"):
            full = f"anthropic.lib.tools.{name}"
            spec = importlib.util.spec_from_file_location(full, folder / f"{name}.py")
            assert spec and spec.loader
            module = importlib.util.module_from_spec(spec)
            sys.modules[full] = module
            setattr(anthropic.lib.tools, name, module)
            spec.loader.exec_module(module)
        return sys.modules["anthropic.lib.tools._memories"]


class Clock:
    """The sync worker's clock, which these tests put forward: nothing sleeps."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


class World:
    """One session with stores, on disk."""

    def __init__(self, server: harness.Server, api: Any, module: Any, clock: Clock) -> None:
        self.server, self.api, self.module, self.clock = server, api, module, clock
        self.writes: list[tuple[str, str, str]] = []
        self.folder = Path(tempfile.mkdtemp(prefix="memgate-sync-"))

    async def client(self) -> Any:
        async def note(request: Any) -> None:
            if request.method in ("POST", "DELETE"):
                self.writes.append((request.method, request.url.path, request.content.decode()))

        http = anthropic.DefaultAsyncHttpxClient(event_hooks={"request": [note]})
        return anthropic.AsyncAnthropic(base_url=self.server.url, api_key=self.server.key, http_client=http)

    async def open(self, client: Any, *attached: tuple[str, str], **options: Any) -> Any:
        """A session with these stores, downloaded below the work folder."""
        resources = [{"type": "memory_store", "memory_store_id": store, "access": access} for store, access in attached]
        made = await client.beta.sessions.create(agent="agent_a", environment_id="env_a", resources=resources)
        session = await client.beta.sessions.retrieve(made.id)
        for resource in session.resources:
            # Files go to the work folder, not to the place an agent would see them at.
            resource.mount_path = None
        workdir = Path(tempfile.mkdtemp(dir=self.folder))
        stores = self.module.SessionMemoryStores(client, workdir=workdir, **options)
        await stores.download(session)
        self.writes.clear()
        return stores

    async def sync(self, stores: Any, seconds: float = 16.0) -> None:
        self.clock.ahead += seconds
        await stores.sync_if_due()

    def remote(self, store: str) -> dict[str, str]:
        listed = self.api.beta.memory_stores.memories.list(store, view="full")
        return {memory.path: memory.content for memory in listed}

    def ids(self, store: str) -> dict[str, str]:
        return {memory.path: memory.id for memory in self.api.beta.memory_stores.memories.list(store)}

    def fill(self, name: str, files: dict[str, str]) -> str:
        store = self.api.beta.memory_stores.create(name=name).id
        for path, content in files.items():
            self.api.beta.memory_stores.memories.create(store, path=path, content=content)
        return store

    def writes_to(self, path: str) -> int:
        return sum(path in body for _, _, body in self.writes)


def note(number: int) -> str:
    return f"- Machine {number} stands in rack {number % 40}.\n"


async def both_ways(world: World) -> None:
    store = world.fill("both ways", {f"/n{n:02}.md": note(n) for n in range(45)} | {"/d/e/f.md": texts.HONEST})
    client = await world.client()
    stores = await world.open(client, (store, "read_write"))
    root = stores.roots[0]

    def local() -> dict[str, str]:
        files = [p for p in root.rglob("*") if p.is_file() and p.name != world.module.MARKER_PATH]
        return {"/" + p.relative_to(root).as_posix(): p.read_text() for p in files}

    checks.same("the download has every memory", local(), world.remote(store))
    (root / "n00.md").write_text(note(100))
    (root / "new.md").write_text(texts.HONEST)
    (root / "deep" / "er").mkdir(parents=True)
    (root / "deep" / "er" / "x.md").write_text(note(101))
    await world.sync(stores)
    there = world.remote(store)
    seen = (there.get("/n00.md"), there.get("/new.md"), there.get("/deep/er/x.md"))
    checks.same("an edit and two new files are on the server", seen, (note(100), texts.HONEST, note(101)))
    checks.same("in three writes", len(world.writes), 3)
    checks.that("the edit had a precondition", any("precondition" in body for _, _, body in world.writes), world.writes)
    world.writes.clear()
    await world.sync(stores)
    checks.same("nothing changed, nothing is written", world.writes, [])

    ids = world.ids(store)
    memories = world.api.beta.memory_stores.memories
    memories.update(ids["/n01.md"], memory_store_id=store, content=note(200))
    memories.create(store, path="/remote.md", content=note(201))
    memories.delete(ids["/n02.md"], memory_store_id=store)
    await world.sync(stores)
    now = local()
    seen = (now.get("/n01.md"), now.get("/remote.md"), now.get("/n02.md"))
    checks.same("remote changes arrive", seen, (note(200), note(201), None))

    (root / "n03.md").write_text(note(300))
    memories.update(ids["/n03.md"], memory_store_id=store, content=note(301))
    await world.sync(stores)
    checks.same("on a conflict the server wins", (root / "n03.md").read_text(), note(301))
    checks.same("on both sides", world.remote(store)["/n03.md"], note(301))

    (root / "n04.md").unlink()
    await world.sync(stores)
    checks.that("a deletion waits", "/n04.md" in world.remote(store))
    await world.sync(stores, 40)
    checks.that("and then goes out", "/n04.md" not in world.remote(store))
    (root / "n05.md").unlink()
    await world.sync(stores)
    memories.update(ids["/n05.md"], memory_store_id=store, content=note(500))
    await world.sync(stores, 40)
    checks.same("a remote change beats a deletion", (root / "n05.md").read_text(), note(500))

    for number in range(40):
        (root / f"burst{number}.md").write_text(note(1000 + number))
    await world.sync(stores)
    there = world.remote(store)
    checks.that("forty files at once", all(there.get(f"/burst{n}.md") == note(1000 + n) for n in range(40)))

    (root / "n06.md").unlink()
    (root / "last.md").write_text(note(600))
    await stores.finish()
    there = world.remote(store)
    checks.same("the end sends deletions at once", ("/n06.md" in there, there.get("/last.md")), (False, note(600)))
    await stores.dispose()
    checks.that("the folder is gone", not root.exists())
    await client.close()


async def gated(world: World) -> None:
    store = world.fill("gated", {"/a.md": texts.HONEST, "/b.md": texts.HONEST})
    client = await world.client()
    stores = await world.open(client, (store, "read_write"))
    root = stores.roots[0]
    (root / "held.md").write_text(texts.HELD)
    (root / "a.md").write_text(texts.HONEST + texts.HELD)
    (root / "refused.md").write_text(texts.REFUSED)
    (root / "long.md").write_text(texts.long(102_401))
    (root / "secret.md").write_text(texts.SECRET)
    (root / "good.md").write_text(note(1))
    for turn in range(3):
        (root / "b.md").write_text(note(10 + turn))
        await world.sync(stores)
    there = world.remote(store)
    stored = sorted(path for path in there)
    checks.same("only what was admitted is stored", stored, ["/a.md", "/b.md", "/good.md", "/secret.md"])
    checks.same("a held edit changes nothing", there["/a.md"], texts.HONEST)
    checks.same("good files go on", (there["/b.md"], there["/good.md"]), (note(12), note(1)))
    for name in ("/held.md", "/refused.md", "/long.md"):
        checks.same(f"{name} was tried once in three syncs", world.writes_to(f'"{name}"'), 1)
    held = [body for _, path, body in world.writes if "Ignore all previous" in body and '"path"' not in body]
    checks.same("the held edit was tried once", len(held), 1)
    checks.that("the agent keeps its own file", (root / "held.md").read_text() == texts.HELD)
    masked = texts.SECRET.replace("AKIAIOSFODNN7EXAMPLE", texts.MASKED)
    checks.same("the secret is masked on the server", there["/secret.md"], masked)
    # The answer names the hash of what was stored, so to the worker its own file looks edited: it is sent again at
    # each sync, is the same after masking, and makes no version.
    secret = world.ids(store)["/secret.md"]
    versions = list(world.api.beta.memory_stores.memory_versions.list(store, memory_id=secret))
    checks.same("however often it is sent, one version", len(versions), 1)
    checks.same("the agent keeps its own file of that, too", (root / "secret.md").read_text(), texts.SECRET)
    (root / "held.md").write_text(note(2))
    await world.sync(stores)
    checks.same("a file that was mended is stored", world.remote(store).get("/held.md"), note(2))
    await stores.finish()
    await stores.dispose()
    await client.close()


async def read_only(world: World) -> None:
    store = world.fill("read only", {"/a.md": texts.HONEST})
    other = world.fill("beside it", {"/o.md": texts.HONEST})
    client = await world.client()
    stores = await world.open(client, (store, "read_only"), (other, "read_write"))
    roots = {root.name: root for root in stores.roots}
    root = roots["read only"]
    checks.same("one root may not be written", [path.name for path in stores.read_only_roots], ["read only"])
    (root / "a.md").write_text(note(1))
    (root / "mine.md").write_text(note(2))
    (roots["beside it"] / "o.md").write_text(note(3))
    await world.sync(stores)
    checks.same("nothing is pushed", world.remote(store), {"/a.md": texts.HONEST})
    checks.same("the other store is", world.remote(other), {"/o.md": note(3)})
    world.api.beta.memory_stores.memories.update(world.ids(store)["/a.md"], memory_store_id=store, content=note(4))
    await world.sync(stores)
    checks.same("remote changes arrive", (root / "a.md").read_text(), note(4))
    await stores.finish()
    await stores.dispose()
    await client.close()


def mounted(server: harness.Server) -> None:
    """What the session says about its stores."""
    with harness.client(server) as api:
        store = api.beta.memory_stores.create(name="Team notes, 2026", description="What the team knows").id
        resource = {"type": "memory_store", "memory_store_id": store, "instructions": "Read it first."}
        session = api.beta.sessions.create(agent="agent_a", environment_id="env_a", resources=[resource])
        seen = api.beta.sessions.retrieve(session.id).resources[0]
        fields = (seen.type, seen.memory_store_id, seen.access, seen.name, seen.description, seen.instructions)
        expected = ("memory_store", store, "read_write", "Team notes, 2026", "What the team knows", "Read it first.")
        checks.same("a resource with its snapshots", fields, expected)
        allowed = (None, "/mnt/memory/team-notes-2026")
        checks.that("mounted nowhere or under the slug", seen.mount_path in allowed, seen.mount_path)


def main() -> None:
    logging.getLogger("anthropic.lib.tools.agent_toolset").setLevel(logging.ERROR)
    module, clock = sync_module(), Clock()
    module.monotonic = clock
    with harness.Server() as server, harness.client(server) as api:
        world = World(server, api, module, clock)
        checks.step("both ways", lambda: asyncio.run(both_ways(world)))
        checks.step("past the gate", lambda: asyncio.run(gated(world)))
        checks.step("read only", lambda: asyncio.run(read_only(world)))
        checks.step("the session's resources", mounted, server)
    checks.end()


if __name__ == "__main__":
    main()
