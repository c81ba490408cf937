"""Why a connection failed, in words for a person.

Enters: pika's exceptions, duck-typed, one wrapped in another. Leaves: the innermost one as one short line. Neither
address nor password is in it.
"""

from __future__ import annotations


def said(error: object) -> str:
    """`ConnectionRefusedError: [Errno 111] Connection refused`, however deep pika has wrapped it."""
    inner: object = error
    for _ in range(10):
        wrapped = [*getattr(inner, "exceptions", ()), getattr(inner, "exception", None), *getattr(inner, "args", ())]
        causes = [one for one in wrapped if isinstance(one, BaseException)]
        if not causes:
            break
        inner = causes[-1]
    text = str(inner) or (repr(inner) if inner is error else "")
    return f"{type(inner).__name__}: {text}"[:300]
