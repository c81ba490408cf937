"""The `toritsugi` command: what a person types.

Enters: arguments. Leaves: an exit code. `run` starts `python -m services`, where gevent is put in place before
anything else is imported; every other command works in this process, without gevent, and ends by itself.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click
import msgspec

from freeswitch.install import command as install_command
from freeswitch.simulator import check as simulator_check
from freeswitch.simulator.record import command as recording
from freeswitch.simulator.record.recording import WIDTHS
from proto.contract import export
from services.billing import held
from services.billing import service as billing
from services.commands import bus_definitions as users_of_bus
from services.commands import database as stores_command
from services.commands.audit import audit
from services.commands.beside import ask, at_stores, language, opened
from services.commands.capacity import capacity_command
from services.commands.letters import letters
from services.commands.numbers import numbers
from services.commands.people import people
from services.commands.phones import phones
from services.commands.route import route
from services.commands.tenants import tenants
from services.connectors import deliveries
from services.connectors import service as connectors
from services.eventsocket import decode as esl_decode
from services.eventsocket.doctor import command as doctor_command
from services.eventsocket.doctor.finding import Lang
from services.history import service as histories
from services.history.rebuild import Done, rebuild
from services.runtime import clock
from services.runtime.bus.definitions import definitions
from services.runtime.settings import ESL_PASSWORD, Settings, load_or_exit

T = TypeVar("T")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Toritsugi (取次): call control for small telephone businesses, on FreeSWITCH."""


@main.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(arguments: tuple[str, ...]) -> None:
    """Run all services in one process, or the one that is named (`toritsugi run --help`)."""
    os.execv(sys.executable, [sys.executable, "-m", "services", *arguments])


@main.command()
@click.option("--settings", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The agent's settings.")
@click.option("--switch", "name", help="Which switch of the settings (default: the first).")
@click.option("--esl", help="HOST:PORT of the Event Socket, in place of settings.")
@click.option(
    "--password-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Holds its password."
)
@click.option("--prefix", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Configuration folder.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per finding.")
@click.option("--lang", type=click.Choice(("ja", "en")), help="Default: as LANG says.")
def doctor(
    settings: Path | None,
    name: str | None,
    esl: str | None,
    password_file: Path | None,
    prefix: Path | None,
    as_json: bool,
    lang: Lang | None,
) -> None:
    """Look at a connected switch and this machine, and say how to mend what is wrong.

    Exit code: 0 no errors, 1 errors, 2 the switch could not be looked at. It changes nothing.
    """
    patient = _patient(settings, name, esl, password_file, prefix)
    sys.exit(doctor_command.main(patient, sys.stdout, sys.stderr, as_json, lang or language()))


def _patient(
    file: Path | None, name: str | None, esl: str | None, password_file: Path | None, prefix: Path | None
) -> doctor_command.Patient:
    """The switch that is meant: what was typed, else the settings, else TORITSUGI_ESL, else the folder's own."""
    environment = dict(os.environ)
    if esl is not None:
        environment["TORITSUGI_ESL"] = esl
    if password_file is not None:
        environment["TORITSUGI_ESL_PASSWORD"] = password_file.read_text(encoding="utf-8").strip()
    link = next((one for one in load_or_exit(file, environment).switches if name in (None, one.name)), None)
    prefix = prefix or (link.conf_dir if link else None)
    known = None if prefix is None else doctor_command.patient_at(prefix)
    if link is None and known is None:
        if prefix is not None and not os.access(prefix / "toritsugi/secrets.xml", os.R_OK):
            raise click.UsageError(f"{prefix}/toritsugi/secrets.xml cannot be read: use sudo, or name a switch")
        raise click.UsageError("name a switch: --settings FILE, --esl HOST:PORT, or --prefix FOLDER after an install")
    if link is None:
        assert known is not None
        return known
    user = link.user
    patient = doctor_command.Patient(
        link.host,
        link.port,
        link.password or ESL_PASSWORD,
        user,
        prefix=prefix,
        recordings_dir=str(link.recordings_dir) if file else "",
        sounds_dir=str(link.sounds_dir or ""),
        cdr_dir=str(link.cdr_dir or "") if file else None,
    )
    if known is None or not user:
        return patient
    # The agent's log-in may ask little; the operator's of the folder asks the rest.
    return replace(patient, user="", password=known.password, agent=(user, patient.password))


@main.group()
def freeswitch() -> None:
    """The configuration of a FreeSWITCH."""


@freeswitch.command("install")
@click.option("--prefix", type=click.Path(path_type=Path), required=True, help="For example /etc/freeswitch.")
@click.option("--dry-run", is_flag=True, help="Show the differences and write nothing.")
@click.option("--replace-changed", is_flag=True, help="Replace our files also where you have changed them.")
@click.option("--uninstall", is_flag=True, help="Put everything back as it was before the first install.")
@click.option("--restore", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Put back one backup.")
@click.option("--lang", type=click.Choice(("ja", "en")), help="Default: as LANG says.")
def freeswitch_install(
    prefix: Path, dry_run: bool, replace_changed: bool, uninstall: bool, restore: Path | None, lang: Lang | None
) -> None:
    """Place Toritsugi's files in a FreeSWITCH configuration folder, with a backup of every file that changes.

    Exit code: 0 done, 1 a file was kept because you changed it, 2 this is no place for them.
    """
    talk = install_command.Conversation(prefix, sys.stdout, sys.stderr, lang or language(), dry_run)
    sys.exit(talk.restore(restore) if uninstall or restore else talk.install(replace_changed))


@main.group()
def esl() -> None:
    """The FreeSWITCH Event Socket."""


@esl.command("decode")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
def decode(file: str) -> None:
    """Print each event of a captured FILE (framed plain or json, or JSON lines) as one JSON object."""
    sys.exit(esl_decode.main(file, sys.stdout.buffer, sys.stderr))


@main.group()
def simulate() -> None:
    """The simulated switch beside a real one."""


@simulate.command("check")
@click.argument(
    "folders",
    nargs=-1,
    required=True,
    metavar="TRACE_DIR...",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per difference.")
def simulate_check(folders: tuple[Path, ...], as_json: bool) -> None:
    """Replay captured traces to the simulator and list where it differs from the real switch.

    A TRACE_DIR holds events.jsonl, commands.jsonl and scenario.json, for example:
    toritsugi simulate check traces/01-inbound-forward-answered; or such folders. Exit code 0: they agree; 1: they
    differ; 2: no trace.
    """
    sys.exit(simulator_check.main(folders, sys.stdout, sys.stderr, as_json=as_json))


@simulate.command("record")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--esl", default="127.0.0.1:8021", show_default=True, help="Event Socket of the switch, HOST:PORT.")
@click.option("--password-file", type=click.File(), required=True, help="File with its password (`-`: stdin).")
@click.option("--listen", type=click.IntRange(0, 65535), default=0, help="Port for commands; 0 takes a free one.")
@click.option("--cdr", type=click.Path(exists=True, file_okay=False, path_type=Path), help="The switch's CDR files.")
@click.option("--for", "duration", help="Ends by itself after 60s, 5min; else with Ctrl-C.")
@click.option("--events", type=click.Choice(sorted(WIDTHS)), default="few", show_default=True)
@click.option("--sip/--no-sip", default=True, help="Trace SIP; the switch's tracing is off afterwards.")
@click.option("--rewrite", multiple=True, metavar="OLD=NEW", help="A text to replace everywhere; may be repeated.")
@click.option("--anonymise", is_flag=True, help="Replace numbers, names and addresses by values for documentation.")
@click.option("--title", default="", help="What happens, for whoever reads it.")
def simulate_record(folder: Path, esl: str, password_file: TextIO, **options: Any) -> None:
    """Record what a real switch does into FOLDER, with the commands that come through --listen.

    A recording holds the numbers and names of callers and is readable by you only. While it lasts, the switch also
    writes SIP messages to its own console and log.
    """
    try:
        code = recording.main(folder, esl, password_file.readline().rstrip("\r\n"), sys.stderr, **options)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    sys.exit(code)


@main.group()
def contract() -> None:
    """The messages that services and others exchange."""


@contract.command("export")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def contract_export(folder: Path) -> None:
    """Write JSON Schema 2020-12 and AsyncAPI 3.0 into FOLDER."""
    for path, text in export():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        click.echo(target)


@main.group()
def bus() -> None:
    """RabbitMQ."""


def _named(pattern: str, allowed: str) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], tuple[str, ...]]:
    def check(_context: click.Context, _option: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if re.fullmatch(pattern, name) is None:
                raise click.BadParameter(f"{name[:80]!r}: allowed is {allowed}")
        return names

    return check


_switch_names = _named(r"[a-z0-9][a-z0-9_-]{0,63}", "a-z 0-9 - _, at most 64")
_tenant_names = _named(r"[a-z0-9][a-z0-9-]{0,31}", "a-z 0-9 -, at most 32")


@bus.command("definitions")
@click.option("--settings", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Names the switches.")
@click.option("--switch", "switches", multiple=True, callback=_switch_names, help="One that the settings do not name.")
@click.option("--tenant", "tenants", multiple=True, callback=_tenant_names, help="A client with a consumer of its own.")
@click.option("--partitions", type=click.IntRange(1, 64), help="Default: as in the settings.")
@click.option("--vhost", default="toritsugi", show_default=True, help="The virtual host of this house.")
@click.option("--passwords", type=click.Path(file_okay=False, path_type=Path), help="A file per user; made if missing.")
def bus_definitions(
    settings: Path | None,
    switches: tuple[str, ...],
    tenants: tuple[str, ...],
    partitions: int | None,
    vhost: str,
    passwords: Path | None,
) -> None:
    """Print RabbitMQ's definitions: all queues, and users that may do what their work needs and nothing else.

    For `rabbitmqctl import_definitions FILE`; every process then runs as its own user, with `bus_declares: no`.
    Passwords never stand in it, only their hashes; without --passwords nobody can log in by one.
    """
    known = load_or_exit(settings)
    names = tuple(dict.fromkeys([*(one.name for one in known.switches), *switches]))
    seconds = [(one.name, one.agent) for one in known.switches if one.agent]
    try:
        hashes, made = ({}, []) if passwords is None else users_of_bus.hashes(passwords, names, tenants)
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    found = definitions(vhost, names, tenants, partitions or known.partitions, seconds, hashes)
    click.echo(msgspec.json.format(msgspec.json.encode(found), indent=1))
    if made:
        click.echo(f"made passwords of {', '.join(made)} in {passwords}", err=True)


@main.group()
def database() -> None:
    """The tables of the services' stores."""


_as_lines = click.option("--json", "as_json", is_flag=True, help="One JSON object per store.")


@database.command("check")
@_as_lines
@at_stores
def database_check(at: Settings, as_json: bool) -> None:
    """Show which revision of its tables each store has, and which this program needs; changes nothing.

    Exit code: 0 all are right (or empty: the next start makes them), 1 one is not, 2 one cannot be asked.
    """
    sys.exit(stores_command.check(at, sys.stdout, as_json))


@database.command("upgrade")
@_as_lines
@at_stores
def database_upgrade(at: Settings, as_json: bool) -> None:
    """Bring each store's tables to this program's revision, wholly or not at all.

    Save PostgreSQL first (pg_dump) and stop what runs on it; of a SQLite file a copy stays beside it. Exit codes as
    of `check`.
    """
    sys.exit(stores_command.upgrade(at, sys.stdout, as_json))


main.add_command(letters)
main.add_command(tenants)
main.add_command(audit)
main.add_command(people)
main.add_command(numbers)
main.add_command(phones)
main.add_command(route)
main.add_command(capacity_command)


@main.group()
def webhooks() -> None:
    """Where ended calls are posted."""


@webhooks.command("secret")
@click.argument("tenant")
@at_stores
def webhooks_secret(tenant: str, at: Settings) -> None:
    """Show the signing secret of each endpoint of TENANT, to hand over to the client."""
    found = ask(at, connectors.build(), lambda tx: deliveries.endpoints(tx, tenant))
    if not found:
        raise click.ClickException(f"{tenant} has no webhooks, or no process has read its file yet")
    for endpoint in found:
        click.echo(f"{endpoint.url}\t{endpoint.secret}")


@webhooks.command("list")
@click.argument("tenant")
@at_stores
def webhooks_list(tenant: str, at: Settings) -> None:
    """Show what was posted, or waits, for TENANT: newest first, one JSON object per line."""
    for delivery in ask(at, connectors.build(), lambda tx: deliveries.deliveries(tx, tenant)):
        click.echo(msgspec.json.encode(delivery))


@webhooks.command("replay")
@click.argument("tenant")
@click.argument("call")
@at_stores
def webhooks_replay(tenant: str, call: str, at: Settings) -> None:
    """Post an ended CALL of TENANT again, under the same id: a receiver that has it may drop it."""
    if not ask(at, connectors.build(), lambda tx: deliveries.replay(tx, tenant, call, clock.now_us())):
        raise click.ClickException(f"{tenant} has no delivery of call {call}")


@webhooks.command("enable")
@click.argument("tenant")
@click.argument("url")
@at_stores
def webhooks_enable(tenant: str, url: str, at: Settings) -> None:
    """Post to URL again, which said 410 Gone: what ends from now on; `replay` sends what was held back."""
    if not ask(at, connectors.build(), lambda tx: deliveries.enable(tx, tenant, url)):
        raise click.ClickException(f"{tenant} has no endpoint {url}")


@main.group()
def history() -> None:
    """The histories of calls."""


@history.command("rebuild")
@at_stores
def history_rebuild(at: Settings) -> None:
    """Make the line of every call anew from the facts that were heard of it, beside the running processes."""
    done = Done(0, 0)
    with opened(at, histories.build()) as store:
        for done in rebuild(store):
            click.echo(f"\r{done.calls:,} calls", err=True, nl=False)
    click.echo(f"\r{done.calls:,} calls, {done.changed:,} of them changed", err=True)


@main.group()
def charges() -> None:
    """The ledger."""


@charges.command("explain")
@click.argument("leg")
@at_stores
def charges_explain(leg: str, at: Settings) -> None:
    """Compute the charge of LEG again from the stored fact and the stored price; exit code 1 if a figure differs."""
    found, waiting = ask(at, billing.build(), lambda tx: (billing.explained(tx, leg), billing.waiting(tx)))
    if not found:
        raise click.ClickException(f"no row of the ledger has leg {leg}; {waiting} legs wait for their payer's terms")
    for one in found:
        click.echo(msgspec.json.encode(one))
    sys.exit(1 if any(one.derivation.differences for one in found) else 0)


@charges.command("held")
@at_stores
def charges_held(at: Settings) -> None:
    """Show the legs that are not charged because nobody saw their end: oldest first, one JSON object per line."""
    for entry in ask(at, billing.build(), held.held):
        click.echo(msgspec.json.encode(entry))


@charges.command("confirm")
@click.argument("leg")
@click.option("--by", required=True, help="Who says so; it is kept with the charge.")
@click.option(
    "--seconds", type=click.FloatRange(0, 7 * 24 * 3600), help="How long they talked, where it is known better."
)
@click.option("--not-answered", is_flag=True, help="Nobody answered: a charge of 0.")
@click.option("--switch", default="", help="Where two switches hold a leg of that name.")
@at_stores
def charges_confirm(leg: str, by: str, seconds: float | None, not_answered: bool, switch: str, at: Settings) -> None:
    """Charge the held LEG on a person's word, once and for all: a call record that comes later changes nothing.

    A running process tells the others of the charge within seconds.
    """
    heard = held.Heard(by[:120], None if seconds is None else round(seconds * 1_000_000), not not_answered)
    room = billing.build()
    try:
        entry = ask(at, room, lambda tx: held.confirm(tx, room, leg, switch, heard, clock.now_us()))
    except held.NotHeld as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"confirmed by {heard.by}; it cannot be taken back", err=True)
    click.echo(msgspec.json.encode(entry))
