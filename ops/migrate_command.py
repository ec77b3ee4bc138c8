"""`kinora migrate`: brings a fleet's engines up to date, before or after a rolling deploy.

    kinora migrate --phase pre      before the first process of a new build: only adds
    kinora migrate --phase post     after the last process of the old one is gone: may take away
    kinora migrate                  both, for a fleet that is not serving

Repeatable, and safe when several start at once: they take turns, and the later ones find nothing to do.
"""

import asyncio
import os
from typing import cast

import click

from ops.errors import CannotGoOn


@click.command()
@click.option(
    "--phase", type=click.Choice(["pre", "post", "all"]), default="all", show_default=True
)
def migrate(phase: str) -> int:
    """Make and change the tables, streams and buckets that this build needs; repeatable.

    Raises:
        CannotGoOn: an engine does not answer, or the keyspace is not one for this build.
    """
    # The drivers take half a second to import, which no other command should pay.
    from ops.fleet.prepare import prepare
    from ops.settings import Settings
    from sharding.errors import StorageUnavailable
    from storage.cassandra.schema import Phase
    from storage.errors import WrongDatabase

    settings = Settings.from_env(os.environ)
    try:
        for line in asyncio.run(prepare(settings, cast(Phase, phase))):
            click.echo(line)
    except WrongDatabase as error:
        raise CannotGoOn(str(error)) from error
    except StorageUnavailable as error:
        raise CannotGoOn(f"{error.detail} {error.context or ''}".strip()) from error
    click.echo(f"The fleet of keyspace {settings.cassandra.keyspace} is up to date ({phase}).")
    return 0
