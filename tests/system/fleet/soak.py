"""`make soak`: faults at random on a fleet of its own, with a crowd on it, until time is up.

    make soak ARGS="--minutes 30 --seed 7"         the same seed gives the same faults in the same order
    make soak ARGS="--minutes 2 --only 'redis'"    only faults whose name holds this
    make soak ARGS="--cassandra 3"                 three nodes of it; needs 3 GB more

Rounds of ten faults: after each round all is healed and everything is compared, so a complaint is about the
ten before it. On loopback, in a temporary folder; ends with 1 when anything is amiss.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random, SystemRandom

import click

from ops.errors import CannotGoOn
from tests.support.fleet import SHAPE, Fleet, running_fleet, small_clip
from tests.support.fleet_faults import every_fault, rarer_faults, table
from tests.support.fleet_run import PEOPLE, run_history

#: Faults between two comparisons.
ROUND = 10
#: A token that outlives a round.
_SETTINGS = {"KINORA_GATEWAY_ACCESS_TOKEN_S": "86400"}


@click.command()
@click.option("--minutes", type=click.FloatRange(0.1, 24 * 60), default=10.0, show_default=True)
@click.option("--seed", type=int, help="Of the order of faults; at first a new one.")
@click.option("--only", default="", help="Faults whose name holds this, or one of these: a,b.")
@click.option("--people", type=click.IntRange(2, 64), default=PEOPLE, show_default=True)
@click.option("--cassandra", type=click.Choice(["1", "3"]), default="1", show_default=True)
@click.option(
    "--keep", is_flag=True, help="Leave the folder, with its logs, when anything is amiss."
)
def soak(
    minutes: float, seed: int | None, only: str, people: int, cassandra: str, keep: bool
) -> None:
    """Harm a fleet at random, and hold what it answered against what can be read."""
    seed = SystemRandom().randrange(10**6) if seed is None else seed
    click.echo(f"seed {seed}")
    shape = {**SHAPE, "cassandra": int(cassandra)}
    with ExitStack() as stack:
        place = Path(tempfile.mkdtemp(prefix="kinora-soak-"))
        try:
            fleet = stack.enter_context(running_fleet(place / "c", _SETTINGS, shape, proxied=True))
        except CannotGoOn as error:
            raise click.ClickException(str(error)) from error
        complaints = asyncio.run(_rounds(fleet, place, minutes * 60, seed, only, people))
    for complaint in complaints:
        click.echo(complaint)
    click.echo(f"seed {seed}: {len(complaints)} complaints")
    if complaints and keep:
        click.echo(f"kept: {place}")
    else:
        shutil.rmtree(place, ignore_errors=True)
    sys.exit(bool(complaints))


async def _rounds(
    fleet: Fleet, place: Path, seconds: float, seed: int, only: str, people: int
) -> list[str]:
    dice, clip = Random(seed), small_clip(place)
    until = time.monotonic() + seconds
    found: list[str] = []
    known = [*every_fault(fleet), *rarer_faults(fleet)]
    words = only.split(",")
    faults = [each for each in known if any(word in each.name for word in words)]
    if not faults:
        raise click.ClickException(f"No fault's name holds {only!r}.")
    number = 0
    while time.monotonic() < until:
        number += 1
        chosen = dice.choices(faults, k=ROUND)
        await fleet.healthy()
        result = await run_history(
            fleet,
            clip,
            chosen,
            seed=seed + number,
            said=click.echo,
            people=people,
            until=until,
        )
        click.echo(f"{table(result.rows)}\nround {number}: {result}")
        found += [f"round {number}: {text}" for text in result.complaints]
        if found:
            break
    return found


if __name__ == "__main__":
    soak()
