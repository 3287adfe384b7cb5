"""The executor of the memory tool, beside the SDK's own: one list of commands, the same answers.

The SDK executes the tool on a folder (`BetaLocalFilesystemMemoryTool`), memgate on a memory store. Each command of a
list goes to both; answers and what is stored afterwards must be equal. Where memgate differs on purpose, the command
stands in a list of its own with the words it must answer.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from anthropic.lib.tools import ToolError
from anthropic.lib.tools._beta_builtin_memory_tool import BetaAbstractMemoryTool, BetaLocalFilesystemMemoryTool

import harness
import texts
from harness import Checks

checks = Checks("memory_tool")


class StoreTool(BetaAbstractMemoryTool):
    """What an application plugs into the SDK's tool runner: six commands, executed by the server."""

    def __init__(self, server: harness.Server, store: str) -> None:
        super().__init__()
        self.server, self.store = server, store

    def run(self, command: Any) -> str:
        body = command if isinstance(command, dict) else command.model_dump(exclude_none=True)
        status, _, answer = self.server.raw("POST", f"/v1/memory_stores/{self.store}/memory_tool", body)
        if status != 200:
            raise RuntimeError(f"{status}: {answer}")
        if answer.get("is_error"):
            raise ToolError(answer["content"])
        return answer["content"]

    view = create = str_replace = insert = delete = rename = run  # type: ignore[assignment]

    def clear_all_memory(self) -> str:
        return self.run({"command": "delete", "path": "/memories"})


def answer(tool: Any, command: dict[str, Any]) -> tuple[bool, str]:
    """Whether it is an error, and the words."""
    try:
        if isinstance(tool, StoreTool):
            return False, tool.run(command)
        model = {
            "view": "View", "create": "Create", "str_replace": "StrReplace",
            "insert": "Insert", "delete": "Delete", "rename": "Rename",
        }[command["command"]]  # fmt: skip
        import anthropic.types.beta as types

        kind = getattr(types, f"BetaMemoryTool20250818{model}Command")
        return False, getattr(tool, command["command"])(kind(**command))
    except ToolError as error:
        return True, str(getattr(error, "content", None) or error)


def create(path: str, text: str) -> dict[str, Any]:
    return {"command": "create", "path": path, "file_text": text}


def view(path: str, view_range: list[int] | None = None) -> dict[str, Any]:
    return {"command": "view", "path": path, **({"view_range": view_range} if view_range else {})}


def replace(path: str, old: str, new: str) -> dict[str, Any]:
    return {"command": "str_replace", "path": path, "old_str": old, "new_str": new}


def insert(path: str, line: int, text: str) -> dict[str, Any]:
    return {"command": "insert", "path": path, "insert_line": line, "insert_text": text}


def delete(path: str) -> dict[str, Any]:
    return {"command": "delete", "path": path}


def rename(old: str, new: str) -> dict[str, Any]:
    return {"command": "rename", "old_path": old, "new_path": new}


FIVE = "Line 1\nLine 2\nLine 3\nLine 4\nLine 5"
ALIKE: dict[str, list[dict[str, Any]]] = {
    "an empty store": [view("/memories"), view("/memories/"), delete("/memories/none"), view("/memories/none")],
    "create": [
        create("/memories/test_file.txt", "Hello, World!"),
        create("/memories/deep/nested/file.txt", "Nested file"),
        create("/memories/test_file.txt", "New"),
        create("/memories/empty.txt", ""),
        view("/memories/empty.txt"),
        create("/memories/deep", "x"),
    ],
    "view of a file": [
        create("/memories/v.txt", FIVE),
        view("/memories/v.txt"),
        view("/memories/v.txt", [2, 4]),
        view("/memories/v.txt", [4, -1]),
        view("/memories/v.txt", [0, 2]),
        view("/memories/v.txt", [3, 99]),
        create("/memories/ends.txt", "Line 1\nLine 2\n"),
        view("/memories/ends.txt"),
        create("/memories/blank.txt", "\n\nLine 3\n\n"),
        view("/memories/blank.txt"),
        view("/memories/nonexistent.txt"),
    ],
    "view of a folder": [
        create("/memories/dir/file1.txt", "File 1"),
        create("/memories/dir/file2.txt", "File 2"),
        create("/memories/dir/sub/deep/x.txt", "x"),
        create("/memories/dir/sub/y.txt", "y" * 1536),
        create("/memories/b.txt", "z" * 2048),
        create("/memories/.hidden", "h"),
        create("/memories/.secret/in.txt", "h"),
        create("/memories/B.txt", "upper"),
        view("/memories"),
        view("/memories/dir"),
        view("/memories/dir/sub"),
    ],
    "str_replace": [
        create("/memories/r.txt", "Line 1\nOld Text\nLine 3"),
        replace("/memories/r.txt", "Old Text", "New Text"),
        view("/memories/r.txt"),
        replace("/memories/r.txt", "NotFound", "x"),
        create("/memories/twice.txt", "Hello\nMiddle\nHello"),
        replace("/memories/twice.txt", "Hello", "Hi"),
        replace("/memories/nonexistent.txt", "a", "b"),
        create("/memories/long.txt", "\n".join(f"Line {n}" for n in range(1, 21))),
        replace("/memories/long.txt", "Line 10\n", "Line ten\nand a half\n"),
        view("/memories/long.txt"),
        create("/memories/d/x.txt", "x"),
        replace("/memories/d", "x", "y"),
    ],
    "insert": [
        create("/memories/i.txt", "Line 1\nLine 2"),
        insert("/memories/i.txt", 1, "Inserted Line"),
        view("/memories/i.txt"),
        insert("/memories/i.txt", 0, "First Line"),
        insert("/memories/i.txt", 10, "text"),
        insert("/memories/i.txt", -1, "text"),
        insert("/memories/i.txt", 4, "Last Line\n\n"),
        view("/memories/i.txt"),
        insert("/memories/nonexistent.txt", 0, "text"),
        create("/memories/d/x.txt", "x"),
        insert("/memories/d", 0, "y"),
    ],
    "line ends": [
        create("/memories/crlf.txt", "line1\r\nline2\r\nline3\r\n"),
        view("/memories/crlf.txt"),
        replace("/memories/crlf.txt", "line2", "LINE2"),
        insert("/memories/crlf.txt", 1, "Inserted"),
        view("/memories/crlf.txt"),
    ],
    "delete": [
        create("/memories/delete_me.txt", "To be deleted"),
        delete("/memories/delete_me.txt"),
        view("/memories/delete_me.txt"),
        create("/memories/subdir/file.txt", "Content"),
        create("/memories/subdir/more/file.txt", "Content"),
        delete("/memories/subdir"),
        view("/memories"),
        delete("/memories"),
        delete("/memories/"),
        delete("/memories/."),
        delete("/memories/sub/.."),
    ],
    "rename": [
        create("/memories/old_name.txt", "Original content"),
        rename("/memories/old_name.txt", "/memories/new_name.txt"),
        view("/memories/new_name.txt"),
        rename("/memories/new_name.txt", "/memories/nested/dir/file.txt"),
        rename("/memories/nonexistent.txt", "/memories/new.txt"),
        create("/memories/file1.txt", "File 1"),
        create("/memories/file2.txt", "File 2"),
        rename("/memories/file1.txt", "/memories/file2.txt"),
        rename("/memories/nested", "/memories/moved"),
        view("/memories/moved/dir/file.txt"),
        rename("/memories", "/memories/moved"),
        rename("/memories/sub/..", "/memories/moved"),
    ],
    "paths": [
        create("/invalid/path.txt", "Invalid"),
        create("/memories/../../../etc/passwd", "Escape attempt"),
        view("/memories/../secret"),
        view("relative.txt"),
        create("/memories/a/../b.txt", "inside all the same"),
    ],
}
# What memgate refuses and the SDK's executor does or answers otherwise.
STRICTER: list[tuple[str, dict[str, Any], str]] = [
    ("a prefix is no folder", create("/memoriesX/a.txt", "x"), "Path must start with /memories"),
    ("encoded traversal", create("/memories/%2e%2e%2fetc", "x"), ""),
    ("encoded slashes", view("/memories/%2e%2e/secret"), ""),
    ("a control character", create("/memories/a\u0007.txt", "x"), ""),
]


def files(folder: Path) -> dict[str, str]:
    root = folder / "memories"
    return {
        "/" + path.relative_to(root).as_posix(): path.read_bytes().decode() for path in root.rglob("*") if path.is_file()
    }


def stored(server: harness.Server, store: str) -> dict[str, str]:
    with harness.client(server) as api:
        return {m.path: m.content for m in api.beta.memory_stores.memories.list(store, view="full")}


def alike(server: harness.Server, name: str, commands: list[dict[str, Any]]) -> None:
    with harness.client(server) as api:
        store = api.beta.memory_stores.create(name=name).id
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = StoreTool(server, store), BetaLocalFilesystemMemoryTool(base_path=folder)
        for command in commands:
            expected, seen = answer(theirs, command), answer(ours, command)
            words = {key: value for key, value in command.items() if key in ("command", "path", "old_path", "insert_line")}
            claim = " ".join(str(value).encode("unicode_escape").decode() for value in words.values())
            checks.same(claim, listing(seen), listing(expected))
        checks.same("what is stored", stored(server, store), files(Path(folder)))


def listing(told: tuple[bool, str]) -> tuple[bool, str]:
    """Sizes of folders are the file system's; the text of a listing is compared without them."""
    wrong, words = told
    if not words.startswith("Here're the files"):
        return told
    lines = words.split("\n")
    return wrong, "\n".join(line.split("\t", 1)[-1] if line.endswith("/") or n == 1 else line for n, line in enumerate(lines))


def stricter(server: harness.Server) -> None:
    with harness.client(server) as api:
        store = api.beta.memory_stores.create(name="stricter").id
    tool = StoreTool(server, store)
    for claim, command, words in STRICTER:
        wrong, told = answer(tool, command)
        checks.that(claim, wrong and words in told, (wrong, told))
    checks.same("nothing is stored", stored(server, store), {})


def gated(server: harness.Server) -> None:
    with harness.client(server) as api:
        store = api.beta.memory_stores.create(name="gated").id
        tool = StoreTool(server, store)
        tool.run(create("/memories/a.txt", texts.HONEST))
        tool.run(create("/memories/d/b.txt", texts.HONEST))
        for claim, command in {
            "create": create("/memories/p.txt", texts.HELD),
            "insert": insert("/memories/a.txt", 1, texts.HELD),
            "str_replace": replace("/memories/a.txt", "Invoices are numbered by year.", texts.HELD[2:].strip()),
            "create of refused text": create("/memories/q.txt", texts.REFUSED),
        }.items():
            status, _, told = server.raw("POST", f"/v1/memory_stores/{store}/memory_tool", command)
            if status == 200:
                code, held = told["content"], bool(told["is_error"])
            else:
                code, held = str((told["error"].get("details") or {}).get("error_code")), status == 400
            checks.that(f"{claim} is stopped", held and ("held" in code or "blocked" in code), (status, told))
            checks.that("without an echo", "system prompt" not in str(told) and "every file" not in str(told), told)
        both = {"/a.txt": texts.HONEST, "/d/b.txt": texts.HONEST}
        checks.same("nothing of it is stored", stored(server, store), both)
        ids = {m.path: m.id for m in api.beta.memory_stores.memories.list(store)}
        tool.run(rename("/memories/d", "/memories/e"))
        after = {m.path: m.id for m in api.beta.memory_stores.memories.list(store)}
        checks.same("a folder is renamed, ids kept", after, {"/a.txt": ids["/a.txt"], "/e/b.txt": ids["/d/b.txt"]})


def main() -> None:
    os.environ.setdefault("COLUMNS", "200")
    with harness.Server() as server:
        if harness.is_old():
            checks.skip("the SDK's own executor", "the older one changes line ends and may delete its root")
        else:
            for name, commands in ALIKE.items():
                checks.step(name, alike, server, name, commands)
        checks.step("stricter on purpose", stricter, server)
        checks.step("through the gate", gated, server)
    checks.end()


if __name__ == "__main__":
    main()
