#!/usr/bin/env python3
"""Checks the locked dependency graph against .cargo/deny.toml: licences, banned crates, sources.

Reads `cargo metadata` on standard input. Needs Python 3.11 (tomllib) and nothing else.
"""
import json
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def allowed(expression, allow):
    """Evaluates an SPDX expression: OR needs one side, AND both. Old `A/B` forms mean OR."""
    tokens = re.findall(r"\(|\)|[A-Za-z0-9.+-]+", re.sub(r"\s*/\s*", " OR ", expression))
    position = 0

    def peek():
        return tokens[position] if position < len(tokens) else None

    def take():
        nonlocal position
        position += 1
        return tokens[position - 1]

    def atom():
        if peek() == "(":
            take()
            value = either()
            if peek() != ")":
                raise ValueError("unbalanced parenthesis")
            take()
            return value
        if peek() in (None, ")", "AND", "OR", "WITH"):
            raise ValueError("an operand is missing")
        name = take()
        if peek() == "WITH":
            take()
            name += " WITH " + take()
        return name in allow

    def both():
        value = atom()
        while peek() == "AND":
            take()
            value = atom() and value
        return value

    def either():
        value = both()
        while peek() == "OR":
            take()
            value = both() or value
        return value

    value = either()
    if peek() is not None:
        raise ValueError(f"unexpected {peek()}")
    return value


def self_test():
    """A checker that says yes to everything would look the same: so it is tried first."""
    allow = {"MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"}
    yes = ["MIT", "MIT OR GPL-3.0", "GPL-3.0/MIT", "(MIT OR GPL-3.0) AND Apache-2.0", "Apache-2.0 WITH LLVM-exception"]
    no = ["GPL-3.0", "MIT AND GPL-3.0", "GPL-3.0 WITH LLVM-exception", "(GPL-3.0 OR LGPL-3.0) AND MIT", "MIT WITH X"]
    for text in yes:
        assert allowed(text, allow), text
    for text in no:
        assert not allowed(text, allow), text
    for text in ["", "(MIT", "MIT)", "MIT OR", "MIT MIT"]:
        try:
            allowed(text, allow)
        except (ValueError, IndexError):
            continue
        raise AssertionError(f"accepted {text!r}")


def main():
    self_test()
    policy = tomllib.loads((ROOT / ".cargo/deny.toml").read_text(encoding="utf-8"))
    allow = set(policy["licenses"]["allow"])
    banned = {entry["crate"]: entry.get("reason", "") for entry in policy["bans"]["deny"]}
    problems, used = [], set()
    packages = json.load(sys.stdin)["packages"]
    for package in packages:
        name = f'{package["name"]} {package["version"]}'
        licence = package.get("license")
        try:
            if not licence:
                problems.append(f"{name}: names no licence")
            elif not allowed(licence, allow):
                problems.append(f"{name}: licence {licence} is not on the list")
            else:
                used.add(licence)
        except (ValueError, IndexError) as error:
            problems.append(f"{name}: licence {licence!r} can not be read ({error})")
        if package["name"] in banned:
            problems.append(f"{name}: banned, {banned[package['name']]}")
        source = package.get("source")
        if source is not None and not source.startswith("registry+"):
            problems.append(f"{name}: comes from {source.split('+')[0]}, only the default registry is allowed")
    for problem in problems:
        print(f"licences: {problem}", file=sys.stderr)
    print(f"licences: {len(packages)} packages, {len(used)} expressions, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
