"""`make faults`: each fault, or those that are named, on each store; `make chaos`: faults at random while people call.

Enters: arguments. Leaves: progress on stderr, a JSON line per fault on stdout, exit code 1 where anything was lost,
doubled, wrong or executed.
"""

from gevent import monkey

monkey.patch_all()

import random  # noqa: E402
import sys  # noqa: E402
from collections.abc import Iterator, Sequence  # noqa: E402
from dataclasses import replace  # noqa: E402

import click  # noqa: E402
import msgspec  # noqa: E402

from services.commands.beside import Duration  # noqa: E402
from services.runtime import log  # noqa: E402
from tests.faults.catalogue import FAULTS  # noqa: E402
from tests.faults.chaos import rage  # noqa: E402
from tests.faults.cluster import CUT_LEADER, may_be_made  # noqa: E402
from tests.faults.fault import STORES, Fault, Outcome, strike  # noqa: E402
from tests.faults.ground import ground  # noqa: E402
from tests.faults.site import Site  # noqa: E402


@click.command()
@click.argument("names", nargs=-1)
@click.option("--full", is_flag=True, help="The sizes of a real night, in place of small ones.")
@click.option("--store", "stores", multiple=True, type=click.Choice(STORES), default=STORES, help="On which stores.")
@click.option("--chaos", type=Duration(), help="Instead: faults by lot, so long on all stores together (10m).")
@click.option("--within", type=Duration(), help="Services that are killed again and again: at most so long a fault.")
@click.option("--seed", type=int, help="Repeats what is drawn by lot.")
def main(
    names: tuple[str, ...],
    full: bool,
    stores: tuple[str, ...],
    chaos: float | None,
    within: float | None,
    seed: int | None,
) -> None:
    """Inflict faults and judge the books."""
    log.configure("ERROR")
    seed = random.randrange(1, 1_000_000) if seed is None else seed
    known = {fault.name: fault for fault in (*FAULTS, CUT_LEADER)}
    if unknown := set(names) - set(known):
        raise click.UsageError(f"{', '.join(sorted(unknown))}: allowed are {', '.join(known)}")
    clean = True
    for store in stores:
        for found in _outcomes(store, [known[name] for name in names or known], full, chaos, len(stores), seed, within):
            click.echo(msgspec.json.encode(found).decode())
            clean = clean and found.clean
    sys.exit(0 if clean else 1)


def _outcomes(
    store: str,
    faults: Sequence[Fault],
    full: bool,
    chaos: float | None,
    stores: int,
    seed: int,
    within_s: float | None,
) -> Iterator[Outcome]:
    if chaos is not None:
        click.echo(f"{store}: chaos; --seed {seed} repeats it …", err=True)
        with ground(store) as site:
            yield rage(site, chaos / stores, seed)
        return
    for three in (False, True):
        wanted = [fault for fault in faults if (fault is CUT_LEADER) is three and store in fault.stores]
        if three and wanted and not may_be_made():
            click.echo(f"{store}: {CUT_LEADER.name}: left out: network namespaces need root", err=True)
        elif wanted:
            with ground(store, three=three) as site:
                yield from (_struck(site, fault, full, seed, within_s) for fault in wanted if _can_strike(site, fault))


def _can_strike(site: Site, fault: Fault) -> bool:
    missing = fault.needs(site)
    click.echo(f"{site.store}: {fault.name}: {f'left out: {missing}' if missing else fault.what} …", err=True)
    return not missing


def _struck(site: Site, fault: Fault, full: bool, seed: int, within_s: float | None) -> Outcome:
    size = fault.full if full else fault.small
    if within_s is not None:
        size = replace(size, within_s=within_s)
    return strike(fault, site, size, random.Random(f"{seed}/{fault.name}"), "full" if full else "small")


if __name__ == "__main__":
    main()
