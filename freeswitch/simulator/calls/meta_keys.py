"""PURE: keys that do something in the middle of a call: `*1` and the like, bound by bind_meta_app.

Enters: bindings, keys with their direction and second. Leaves: whether a key was swallowed, and what it starts. Source:
mod_dptools.c (dtmf_bind_function), switch_ivr_async.c (meta_on_dtmf).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from freeswitch.simulator.plan import App

_FORGETS_AFTER_S = 5


@dataclass(frozen=True)
class Binding:
    """What a key starts."""

    app: App
    where: str
    """`a`: on the bound leg; `b`: on whom it talks to; `s`: on who pressed; `o`: on the other one."""
    once: bool = False

    def on_bound_leg(self, *, from_other: bool) -> bool:
        """Whether the bound leg runs it, when that leg pressed or whom it talks to."""
        return {"a": True, "b": False, "s": not from_other, "o": from_other}[self.where]


@dataclass
class _Side:
    keys: dict[str, Binding] = field(default_factory=dict)
    begun: bool = False
    last_s: int = 0


class MetaKeys:
    """The bindings of one leg."""

    def __init__(self, meta: str = "*") -> None:
        self.meta = meta
        self._sides = {False: _Side(), True: _Side()}

    def bind(self, key: str, legs: str, binding: Binding) -> None:
        """`legs`: `a` listens to the leg itself, `b` to whom it talks to."""
        for name, from_other in (("a", False), ("b", True)):
            if name in legs:
                self._sides[from_other].keys[key] = binding

    def unbind(self, key: str) -> None:
        """Of both sides; without a key all."""
        for side in self._sides.values():
            if key:
                side.keys.pop(key, None)
            else:
                side.keys.clear()

    def press(self, key: str, now_s: int, *, from_other: bool) -> tuple[bool, Binding | None]:
        """Whether the key is swallowed, and what it starts."""
        side = self._sides[from_other]
        if not side.keys and not side.begun:
            return False, None
        if side.begun and now_s - side.last_s > _FORGETS_AFTER_S:
            side.begun = False
            return False, None
        side.last_s = now_s
        if key == self.meta:
            side.begun = not side.begun
            return side.begun, None
        if not side.begun:
            return False, None
        side.begun = False
        found = side.keys.get(key)
        if found is not None and found.once:
            del side.keys[key]
        return True, found


def binding(data: list[str]) -> tuple[str, str, Binding] | None:
    """`<key> [a|b|ab] [a|b|o|s][i][1] <app>[::<args>]` -> key, legs, binding; None where it is no binding."""
    if len(data) != 4 or len(data[0]) != 1 or data[0] not in "0123456789ABCDabcd":
        return None
    key, legs, how, what = data
    name, _, args = what.partition("::")
    where = next((one for one in how if one in "abos"), "a")
    return key, legs, Binding(App(name, args), where, once="1" in how)
