"""What schemathesis is told beside the description: a key of the role that each operation is for, and real ids.

Generated ids are never anybody's, so half of the requests would end at 404. Each parameter gets a real id in most
cases, chosen by what was generated: the same seed asks the same.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

import schemathesis

SEEDED: dict[str, Any] = json.loads(os.environ["MEMGATE_SCHEMATHESIS_SEEDED"])


def pick(generated: Any, real: list[str]) -> Any:
    """Mostly a real one."""
    number = hashlib.sha256(repr(generated).encode()).digest()[0]
    return real[number % len(real)] if real and number < 180 else generated


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    raw = case.operation.definition.raw
    roles = SEEDED["keys"]
    # What a role may not do is tested elsewhere, role by role; here the handlers are to be reached.
    case.headers["x-api-key"] = roles.get(raw.get("x-scope"), roles["submit"])
    case.headers.pop("authorization", None)
    # What is deleted or archived must not be what all the others ask for.
    last = case.method.upper() == "DELETE" or case.operation.path.endswith("/archive")
    ids = SEEDED["doomed"] if last else SEEDED["ids"]
    for name, value in dict(case.path_parameters or {}).items():
        case.path_parameters[name] = pick(value, ids.get(name, []))
    for name, value in dict(case.query or {}).items():
        # No cursor is ever guessed; a limit mostly is a small one.
        if name in ("cursor", "page") and pick(value, ["-"]) == "-":
            case.query.pop(name)
        elif name in SEEDED["query"]:
            case.query[name] = pick(value, SEEDED["query"][name])
    if isinstance(case.body, dict) and "store" in case.body:
        case.body["store"] = pick(case.body["store"], SEEDED["ids"]["store"])
    if isinstance(case.body, dict) and "path" in case.body:
        case.body["path"] = pick(case.body["path"], ["/a.md", "/new.md", "/folder/b.md"])
