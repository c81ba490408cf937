"""`toritsugi letters`: what was put aside is looked at, mended, replayed or thrown away, by somebody with a name.

Enters: settings (which bus, where the record of deeds is), letters by their ids. Leaves: JSON lines, an exit code, and
a row for every deed before it is done. It works beside the running processes. Transports: `runtime/bus/letters.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, BinaryIO, TypeVar

import click
import msgspec

from services.beside import at_stores
from services.letters import kept, view
from services.letters.kept import Deed, What
from services.rooms import store_url
from services.runtime import clock
from services.runtime.bus import DeadLetter, Unavailable
from services.runtime.bus.choose import letter_box
from services.runtime.bus.letters import Fate, LetterBox
from services.runtime.settings import Settings
from services.runtime.store import Store, Tx, WrongRevision
from services.runtime.tls import UnusableCertificate

T = TypeVar("T")

AT_ONCE = 100
"""Outcomes noted together; each deed itself is noted before it is done."""
_WORDS: dict[str, What] = {"replayed": "done", "discarded": "done", "waits": "waits", "no queue": "not done"}


class Desk:
    """The letters, and the book of what was done with them."""

    def __init__(self, box: LetterBox, store: Store) -> None:
        self.box, self._store = box, store

    def ask(self, work: Callable[[Tx], T]) -> T:
        """One transaction of the book."""
        return self._store.run(work)

    def note(self, by: str, what: What, letter: DeadLetter, why: str = "") -> None:
        """What is about to be done."""
        self.ask(lambda tx: kept.note(tx, _deed(by, what, letter, why)))

    def found(self, wanted: str) -> DeadLetter:
        """The letter of this id. Raises ClickException."""
        with closing(self.box.read()) as lying:  # type: ignore[type-var]
            letter = next((one for one in lying if one.id == wanted), None)
        if letter is None:
            raise click.ClickException(f"no letter {wanted[:40]!r}: see `toritsugi letters list`")
        return letter

    def settle(self, by: str, fate: Callable[[DeadLetter], Fate]) -> Iterator[tuple[DeadLetter, str]]:
        """Carry it out, and note what came of them, some at once."""
        outcomes: list[Deed] = []
        for letter, settled in self.box.settle(fate):
            outcomes.append(_deed(by, _WORDS[settled], letter, settled))
            if len(outcomes) == AT_ONCE:
                self._note_all(outcomes)
            yield letter, settled
        self._note_all(outcomes)

    def _note_all(self, deeds: list[Deed]) -> None:
        def work(tx: Tx) -> None:
            for deed in deeds:
                kept.note(tx, deed)

        self.ask(work)
        deeds.clear()


def _deed(by: str, what: What, letter: DeadLetter, why: str = "") -> Deed:
    return Deed(clock.now_us(), by, what, letter.id, view.harmless(letter.queue)[:200], why)


@contextmanager
def _desk(at: Settings) -> Iterator[Desk]:
    """Raises ClickException for whatever cannot be reached."""
    try:
        store = Store(store_url(at, kept.NAME), kept.metadata())
        store.start()
        try:
            yield Desk(letter_box(at.bus, at.data_dir, at.bus_tls), store)
        finally:
            store.stop()
    except (Unavailable, WrongRevision, UnusableCertificate) as error:
        raise click.ClickException(str(error)) from None


def _at_desk(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command with --data, --database and --settings; what they come to is its `desk`."""

    def with_desk(at: Settings, **others: Any) -> Any:
        with _desk(at) as desk:
            return command(desk=desk, **others)

    with_desk.__name__, with_desk.__doc__ = command.__name__, command.__doc__
    with_desk.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    return at_stores(with_desk)


def _named(_context: click.Context, _option: click.Parameter, name: str) -> str:
    if not name.strip() or len(name) > 120:
        raise click.BadParameter("1 to 120 characters")
    return view.harmless(name.strip())


_by = click.option("--by", required=True, callback=_named, help="Who does it; it is kept.")


@click.group()
def letters() -> None:
    """Messages that no service could handle: they lie aside until somebody decides.

    The bus is that of --settings or TORITSUGI_BUS (on RabbitMQ, user `operator`), else the one in the data folder.
    """


@letters.command("list")
@click.option("--queue", help="Only of this service or queue, for example billing.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True)
@_at_desk
def letters_list(desk: Desk, queue: str | None, limit: int) -> None:
    """Show what lies aside, oldest first, one JSON object per line: no contents, numbers masked."""
    mended = desk.ask(kept.mended)
    with closing(desk.box.read()) as found:  # type: ignore[type-var]
        for letter in found:
            if _is_of(letter, queue):
                click.echo(msgspec.json.encode(view.line(letter, letter.id in mended)))
                limit -= 1
            if not limit:
                return


def _is_of(letter: DeadLetter, queue: str | None) -> bool:
    return queue is None or queue in (letter.queue, letter.queue.rpartition(".")[0])


@letters.command("show")
@click.argument("letter")
@_by
@click.option("--raw", is_flag=True, help="The bytes as they came.")
@click.option("--mended", is_flag=True, help="What goes in its place when it is replayed.")
@_at_desk
def letters_show(desk: Desk, letter: str, by: str, raw: bool, mended: bool) -> None:
    """Show what stands in LETTER; that you did is kept. It may hold who called whom: the secrecy of communications."""
    found = desk.found(letter)
    body = desk.ask(lambda tx: kept.body_of(tx, found.id)) if mended else found.body
    if body is None:
        raise click.ClickException("nobody has mended it")
    desk.note(by, "look", found)
    if raw:
        sys.stdout.buffer.write(body)
    else:
        click.echo(view.text(body))


@letters.command("mend")
@click.argument("letter")
@_by
@click.option("--body", type=click.File("rb"), help="File with the whole message (`-`: stdin); else an editor opens.")
@_at_desk
def letters_mend(desk: Desk, letter: str, by: str, body: BinaryIO | None) -> None:
    """Put another message in place of LETTER, to be replayed; the original stays, and is kept."""
    found = desk.found(letter)
    if body is None:
        desk.note(by, "look", found)
        edited = click.edit(view.text(found.body), extension=".json")
        if edited is None:
            raise click.ClickException("nothing was changed")
        mended = edited.encode()
    else:
        mended = body.read()
    try:
        view.message_for(found, mended)
    except view.Unfit as error:
        raise click.ClickException(str(error)) from None

    def keep(tx: Tx) -> None:
        kept.note(tx, _deed(by, "mend", found))
        kept.mend(tx, found, mended, by, clock.now_us())

    desk.ask(keep)
    click.echo(f"{found.id} is mended: `toritsugi letters replay {found.id}`", err=True)


@letters.command("replay")
@click.argument("ids", nargs=-1, metavar="LETTER...")
@click.option("--queue", help="All of this service or queue, in place of single letters.")
@_by
@_at_desk
def letters_replay(desk: Desk, ids: tuple[str, ...], queue: str | None, by: str) -> None:
    """Give letters back to the queue that could not handle them, and to no other service. What was handled meanwhile
    is dropped by its id.

    Exit code 1 if one was not replayed; it stays.
    """
    wanted, mended = _chosen(ids, queue), desk.ask(kept.mended)
    refused: list[str] = []
    seen: set[str] = set()

    def fate(letter: DeadLetter) -> Fate:
        if not wanted(letter):
            return "keep"
        if letter.id in seen:
            return "discard"  # put aside twice; one of them is replayed
        body = desk.ask(lambda tx: kept.body_of(tx, letter.id)) if letter.id in mended else letter.body
        try:
            message = view.message_for(letter, body or letter.body)
        except view.Unfit as error:
            refused.append(letter.id)
            click.echo(f"{letter.id}: {view.harmless(str(error))}", err=True)
            return "keep"
        seen.add(letter.id)
        desk.note(by, "replay", letter)
        return message

    _finish(desk.settle(by, fate), ids, refused)


@letters.command("discard")
@click.argument("ids", nargs=-1, required=True, metavar="LETTER...")
@_by
@click.option("--reason", required=True, callback=_named, help="Why nobody needs it; it is kept.")
@_at_desk
def letters_discard(desk: Desk, ids: tuple[str, ...], by: str, reason: str) -> None:
    """Throw letters away, for good. Exit code 1 if there was no such letter."""

    def fate(letter: DeadLetter) -> Fate:
        if letter.id not in ids:
            return "keep"
        desk.note(by, "discard", letter, reason)
        return "discard"

    _finish(desk.settle(by, fate), ids, [])


@letters.command("log")
@_at_desk
def letters_log(desk: Desk) -> None:
    """Show who looked at what, mended, replayed or threw it away: oldest first, one JSON object per line."""
    for deed in desk.ask(kept.deeds):
        click.echo(msgspec.json.encode(deed))


def _chosen(ids: tuple[str, ...], queue: str | None) -> Callable[[DeadLetter], bool]:
    if bool(ids) == (queue is not None):
        raise click.UsageError("name letters, or --queue")
    return (lambda letter: letter.id in ids) if ids else (lambda letter: _is_of(letter, queue))


def _finish(settled: Iterator[tuple[DeadLetter, str]], ids: tuple[str, ...], refused: list[str]) -> None:
    """Tell what became of each; `refused` grows meanwhile."""
    done = set()
    stays = False
    for letter, word in settled:
        done.add(letter.id)
        stays = stays or word == "no queue"
        click.echo(f"{letter.id} {word}")
    missing = [one for one in ids if one not in done and one not in refused]
    for one in missing:
        click.echo(f"{one[:40]!r}: no such letter", err=True)
    sys.exit(1 if stays or missing or refused else 0)
