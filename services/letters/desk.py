"""Letters in somebody's hands: found, looked at, mended, given back, thrown away; each deed is in the book before.

Enters: the port to the letters (`runtime/bus/letters.py`), the letters' own store, who does it. Leaves: letters, what
became of them, or the reason why not. Terminal and pages both work here; what is shown of a letter is `view.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TypeVar

from services.letters import kept, view
from services.letters.kept import Deed, What
from services.runtime import clock
from services.runtime.bus import DeadLetter
from services.runtime.bus.letters import Fate, LetterBox, Settled
from services.runtime.store import Store, Tx

T = TypeVar("T")

AT_ONCE = 100
"""Outcomes noted together; each deed itself is noted before it is done."""
_WORDS: dict[Settled, What] = {"replayed": "done", "discarded": "done", "waits": "waits", "no queue": "not done"}


class NoLetter(Exception):
    """There is none of this id, or somebody else is reading it at this moment."""


class Desk:
    """The letters, and the book of what was done with them. All methods raise Unavailable."""

    def __init__(
        self, box: LetterBox, store: Store, told: Callable[[Deed, DeadLetter], None] = lambda _deed, _letter: None
    ) -> None:
        """`told`: who else must know of a deed before it is done."""
        self._box, self._store, self._told = box, store, told

    def lying(self, queue: str | None = None) -> Iterator[tuple[DeadLetter, bool]]:
        """All of this service or queue, oldest first, and whether somebody mended it. To be closed before its end."""
        mended = self._ask(kept.mended)
        with closing(self._box.read()) as found:  # type: ignore[type-var]
            for letter in found:
                if is_of(letter, queue):
                    yield letter, letter.id in mended

    def found(self, wanted: str) -> DeadLetter:
        """The letter of this id. Raises NoLetter."""
        with closing(self._box.read()) as lying:  # type: ignore[type-var]
            for letter in lying:
                if letter.id == wanted:
                    return letter
        raise NoLetter(wanted)

    def look(self, by: str, letter: DeadLetter) -> None:
        """Before anybody is shown what stands in it."""
        self._note(_deed(by, "look", letter), letter)

    def mended(self, letter: DeadLetter) -> bytes | None:
        """What goes in its place when it is replayed, if somebody has mended it."""
        return self._ask(lambda tx: kept.body_of(tx, letter.id))

    def mend(self, by: str, letter: DeadLetter, body: bytes) -> None:
        """Put another message in its place. Raises Unfit."""
        view.message_for(letter, body)
        deed = _deed(by, "mend", letter)
        self._told(deed, letter)

        def keep(tx: Tx) -> None:
            kept.note(tx, deed)
            kept.mend(tx, letter, body, by, deed.at_us)

        self._ask(keep)

    def replay(
        self, by: str, wanted: Callable[[DeadLetter], bool], refused: Callable[[DeadLetter, view.Unfit], None]
    ) -> Iterator[tuple[DeadLetter, Settled]]:
        """Give those that are wanted back to their queues, mended where somebody did; `refused` hears which are unfit.

        To be read to its end.
        """
        mended, seen = self._ask(kept.mended), set[str]()

        def fate(letter: DeadLetter) -> Fate:
            if not wanted(letter):
                return "keep"
            if letter.id in seen:
                return "discard"  # put aside twice; one of them is replayed
            body = self.mended(letter) if letter.id in mended else letter.body
            try:
                message = view.message_for(letter, body or letter.body)
            except view.Unfit as error:
                refused(letter, error)
                return "keep"
            seen.add(letter.id)
            self._note(_deed(by, "replay", letter), letter)
            return message

        return self._settled(by, fate)

    def discard(
        self, by: str, wanted: Callable[[DeadLetter], bool], reason: str
    ) -> Iterator[tuple[DeadLetter, Settled]]:
        """Throw those that are wanted away, for good. To be read to its end."""

        def fate(letter: DeadLetter) -> Fate:
            if not wanted(letter):
                return "keep"
            self._note(_deed(by, "discard", letter, reason), letter)
            return "discard"

        return self._settled(by, fate)

    def deeds(self, letter: str | None = None) -> list[Deed]:
        """What was done, with all letters or with this one, oldest first."""
        return self._ask(lambda tx: kept.deeds(tx, letter))

    def _settled(self, by: str, fate: Callable[[DeadLetter], Fate]) -> Iterator[tuple[DeadLetter, Settled]]:
        """Carry it out, and note what came of them, some at once."""
        outcomes: list[Deed] = []
        for letter, settled in self._box.settle(fate):
            outcomes.append(_deed(by, _WORDS[settled], letter, settled))
            if len(outcomes) == AT_ONCE:
                self._note_all(outcomes)
            yield letter, settled
        self._note_all(outcomes)

    def _note(self, deed: Deed, letter: DeadLetter) -> None:
        self._told(deed, letter)
        self._ask(lambda tx: kept.note(tx, deed))

    def _note_all(self, deeds: list[Deed]) -> None:
        def work(tx: Tx) -> None:
            for deed in deeds:
                kept.note(tx, deed)

        self._ask(work)
        deeds.clear()

    def _ask(self, work: Callable[[Tx], T]) -> T:
        return self._store.run(work)


def is_of(letter: DeadLetter, queue: str | None) -> bool:
    """Whether it came from this queue, or from one of this service; None: from any."""
    return queue is None or queue in (letter.queue, letter.queue.rpartition(".")[0])


def _deed(by: str, what: What, letter: DeadLetter, why: str = "") -> Deed:
    return Deed(clock.now_us(), by, what, letter.id, view.harmless(letter.queue)[:200], why)
