"""PURE: the two stores of the switch, of texts by realm and key: hash, which forgets at a restart, and db.

Enters: a store, the argument of a command or application. Leaves: the real one's words, and the change. Source:
mod_hash.c, mod_db.c.
"""

from __future__ import annotations

_HASH = "-ERR Usage: hash insert|insert_ifempty|select|delete|delete_ifmatch/realm/key[/value]\n"


def hash_reply(kept: dict[tuple[str, str], str], argument: str) -> str:
    """`hash insert|insert_ifempty|select|delete|delete_ifmatch/realm/key[/value]`; `kept` by (realm, key)."""
    what, realm, key, value = [*argument.split("/", 3), "", "", ""][:4]
    name = (realm, key)
    if not key:
        return _HASH
    if what == "select":
        return kept.get(name, "")
    if what == "insert" and value:
        kept[name] = value
        return "+OK\n"
    if what == "insert_ifempty" and value:
        if name in kept:
            return "-ERR key already exists\n"
        kept[name] = value
        return "+OK\n"
    if what in ("delete", "delete_ifmatch"):
        if name not in kept:
            return "-ERR Not found\n"
        if what == "delete_ifmatch" and kept[name] != value:
            return "-ERR Doesn't match\n"
        del kept[name]
        return "+OK\n"
    return _HASH


def db_reply(kept: dict[tuple[str, str], str], argument: str) -> str:
    """`db insert|select|delete|exists|count|list/realm/key[/value]`; `kept` by (realm, key)."""
    what, realm, key, value = [*argument.split("/", 3), "", "", ""][:4]
    name = (realm, key)
    keys = [one for area, one in kept if area == realm]
    if what == "insert" and key:
        kept[name] = value
        return "+OK"
    if what == "delete" and key:
        kept.pop(name, None)
        return "+OK"
    if what == "select":
        return kept.get(name, "")
    if what == "exists":
        return "true" if name in kept else "false"
    if what == "count":
        return str(len(keys) if realm else len(kept))
    if what == "list":
        return ",".join(keys if realm else dict.fromkeys(area for area, _key in kept))
    return "!err!"
