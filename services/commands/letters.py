"""`toritsugi letters`: what was put aside is looked at, mended, replayed or thrown away, by somebody with a name.

Enters: settings (which bus, where the record of deeds is), letters by their ids. Leaves: JSON lines, an exit code. It
works beside the running processes; what it does with letters is `letters/desk.py`, as for the pages (`letters/web.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, BinaryIO

import click
import msgspec

from services.commands.beside import at_stores
from services.letters import kept, view
from services.letters.desk import Desk, NoLetter, is_of
from services.rooms import store_url
from services.runtime.bus import DeadLetter, Unavailable
from services.runtime.bus.choose import letter_box
from services.runtime.settings import Settings
from services.runtime.store import Store, WrongRevision
from services.runtime.tls import UnusableCertificate


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
    except NoLetter as none:
        raise click.ClickException(f"no letter {str(none)[:40]!r}: see `toritsugi letters list`") from None
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
    if not name.strip() or len(name) > view.LONGEST_WHY:
        raise click.BadParameter(f"1 to {view.LONGEST_WHY} characters")
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
    with closing(desk.lying(queue)) as found:  # type: ignore[type-var]
        for letter, mended in found:
            click.echo(msgspec.json.encode(view.line(letter, mended)))
            limit -= 1
            if not limit:
                return


@letters.command("show")
@click.argument("letter")
@_by
@click.option("--raw", is_flag=True, help="The bytes as they came.")
@click.option("--mended", is_flag=True, help="What goes in its place when it is replayed.")
@_at_desk
def letters_show(desk: Desk, letter: str, by: str, raw: bool, mended: bool) -> None:
    """Show what stands in LETTER; that you did is kept. It may hold who called whom: the secrecy of communications."""
    found = desk.found(letter)
    body = desk.mended(found) if mended else found.body
    if body is None:
        raise click.ClickException("nobody has mended it")
    desk.look(by, found)
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
        desk.look(by, found)
        edited = click.edit(view.text(found.body), extension=".json")
        if edited is None:
            raise click.ClickException("nothing was changed")
        mended = edited.encode()
    else:
        mended = body.read()
    try:
        desk.mend(by, found, mended)
    except view.Unfit as error:
        raise click.ClickException(str(error)) from None
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
    refused: list[str] = []

    def tell(letter: DeadLetter, why: view.Unfit) -> None:
        refused.append(letter.id)
        click.echo(f"{letter.id}: {view.harmless(str(why))}", err=True)

    _finish(desk.replay(by, _chosen(ids, queue), tell), ids, refused)


@letters.command("discard")
@click.argument("ids", nargs=-1, required=True, metavar="LETTER...")
@_by
@click.option("--reason", required=True, callback=_named, help="Why nobody needs it; it is kept.")
@_at_desk
def letters_discard(desk: Desk, ids: tuple[str, ...], by: str, reason: str) -> None:
    """Throw letters away, for good. Exit code 1 if there was no such letter."""
    _finish(desk.discard(by, _chosen(ids, None), reason), ids, [])


@letters.command("log")
@_at_desk
def letters_log(desk: Desk) -> None:
    """Show who looked at what, mended, replayed or threw it away: oldest first, one JSON object per line."""
    for deed in desk.deeds():
        click.echo(msgspec.json.encode(deed))


def _chosen(ids: tuple[str, ...], queue: str | None) -> Callable[[DeadLetter], bool]:
    if bool(ids) == (queue is not None):
        raise click.UsageError("name letters, or --queue")
    return (lambda letter: letter.id in ids) if ids else (lambda letter: is_of(letter, queue))


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
