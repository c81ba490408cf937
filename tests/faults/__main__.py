"""`make faults`: each fault, or those that are named, on each store; `make chaos`: faults at random while people call.

Enters: arguments. Leaves: progress on stderr, a JSON line per fault on stdout, exit code 1 where anything was lost,
doubled, wrong or executed.
"""

from gevent import monkey

monkey.patch_all()

import random  # noqa: E402
import sys  # noqa: E402

import click  # noqa: E402
import msgspec  # noqa: E402

from services.run import Duration  # noqa: E402
from services.runtime import log  # noqa: E402
from tests.faults.catalogue import FAULTS  # noqa: E402
from tests.faults.chaos import rage  # noqa: E402
from tests.faults.fault import strike  # noqa: E402
from tests.faults.ground import STORES, ground  # noqa: E402


@click.command()
@click.argument("names", nargs=-1)
@click.option("--full", is_flag=True, help="The sizes of a real night, in place of small ones.")
@click.option("--store", "stores", multiple=True, type=click.Choice(STORES), default=STORES, help="On which stores.")
@click.option("--chaos", type=Duration(), help="Instead: faults by lot, so long on all stores together (10m).")
@click.option("--seed", type=int, help="Repeats what is drawn by lot.")
def main(names: tuple[str, ...], full: bool, stores: tuple[str, ...], chaos: float | None, seed: int | None) -> None:
    """Inflict faults and judge the books."""
    log.configure("ERROR")
    seed = random.randrange(1, 1_000_000) if seed is None else seed
    known = {fault.name: fault for fault in FAULTS}
    if unknown := set(names) - set(known):
        raise click.UsageError(f"{', '.join(sorted(unknown))}: allowed are {', '.join(known)}")
    clean = True
    for store in stores:
        with ground(store) as site:
            if chaos is not None:
                click.echo(f"{store}: chaos; --seed {seed} repeats it …", err=True)
                found = rage(site, chaos / len(stores), seed)
                click.echo(msgspec.json.encode(found).decode())
                clean = clean and found.clean
                continue
            for name in names or known:
                fault = known[name]
                if missing := fault.needs(site):
                    click.echo(f"{store}: {name}: left out: {missing}", err=True)
                    continue
                click.echo(f"{store}: {name}: {fault.what} …", err=True)
                size = fault.full if full else fault.small
                found = strike(fault, site, size, random.Random(f"{seed}/{name}"), "full" if full else "small")
                click.echo(msgspec.json.encode(found).decode())
                clean = clean and found.clean
    sys.exit(0 if clean else 1)


if __name__ == "__main__":
    main()
