"""The `toritsugi` command: what a person types.

Enters: arguments. Leaves: an exit code. `run` starts `python -m services`, where gevent is put in place before
anything else is imported; every other command works in this process, without gevent, and ends by itself.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from proto.contract import export
from services.connectors import service as connectors
from services.connectors.deliveries import endpoints
from services.directory import check_command
from services.eventsocket import decode as esl_decode
from services.routing.explain import explain
from services.runtime.store import Store


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Toritsugi (取次): call control for small telephone businesses, on FreeSWITCH."""


@main.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(arguments: tuple[str, ...]) -> None:
    """Run all services in one process, or the one that is named (`toritsugi run --help`)."""
    os.execv(sys.executable, [sys.executable, "-m", "services", *arguments])


@main.group()
def tenants() -> None:
    """The clients' files."""


@tenants.command("check")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Problems as JSON lines.")
def tenants_check(folder: Path, as_json: bool) -> None:
    """Read all files of FOLDER, name every mistake by file, line and key, and run the tests inside the files."""
    sys.exit(check_command.main(folder, explain, sys.stdout, sys.stderr, as_json))


@main.group()
def esl() -> None:
    """The FreeSWITCH Event Socket."""


@esl.command("decode")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
def decode(file: str) -> None:
    """Print each event of a captured FILE (framed plain or json, or JSON lines) as one JSON object."""
    sys.exit(esl_decode.main(file, sys.stdout.buffer, sys.stderr))


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
def webhooks() -> None:
    """Where ended calls are posted."""


@webhooks.command("secret")
@click.argument("tenant")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), default=Path("data"))
def webhooks_secret(tenant: str, data: Path) -> None:
    """Show the signing secret of each endpoint of TENANT, to hand over to the client."""
    store = Store(f"sqlite:///{data / 'connectors.sqlite'}", connectors.build().metadata)
    store.start()
    found = store.run(lambda tx: endpoints(tx, tenant))
    store.stop()
    if not found:
        raise click.ClickException(f"{tenant} has no webhooks, or no process has read its file yet")
    for endpoint in found:
        click.echo(f"{endpoint.url}\t{endpoint.secret}")
