"""`kinora engines`: have the engines, and see which are there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from ops.engines.table import TABLE, Debian, EngineName, Entry, Golang

if TYPE_CHECKING:
    from rich.table import Table

    from ops.engines.found import EngineMissing, Found

_NAMES: tuple[EngineName, ...] = tuple(line.name for line in TABLE)

_WORDS = {Debian: "Debian packages", Golang: "go install"}


@click.group()
def engines() -> None:
    """The engines of the fleet: Redis, NATS, MinIO, Cassandra, nginx."""


@engines.command("install")
@click.argument("names", nargs=-1, type=click.Choice(_NAMES), metavar="[NAME]...")
def install_command(names: tuple[EngineName, ...]) -> int:
    """Have what is missing, in the user's cache: all of it, or what is named.

    Raises:
        EngineMissing: something cannot be had; all that can be was.
    """
    from ops.engines.found import EngineMissing
    from ops.engines.install import install

    lines = [line for line in TABLE if not names or line.name in names]
    failed = install(os.environ, click.echo, lines=lines)
    if failed:
        raise EngineMissing("\n\n".join(str(error) for error in failed.values()))
    click.echo(f"Engines are ready: {', '.join(line.name for line in lines)}.")
    return 0


@engines.command("status")
def status_command() -> int:
    """Show which engines are there, and how the others can be had; ends with 1 where one is missing."""
    from rich.console import Console

    table, complaints = status_table(os.environ)
    Console().print(table)
    for complaint in complaints:
        click.echo(f"\n{complaint}")
    return 1 if complaints else 0


def status_table(environ: Mapping[str, str]) -> tuple[Table, list[str]]:
    """What is there and where; and a word for each that is not."""
    from rich.table import Table

    from ops.engines.found import EngineMissing

    table = Table("engine", "version", "how it is had", box=None)
    # A path is for copying: it may be folded, never cut.
    table.add_column("where", overflow="fold")
    complaints: list[str] = []
    for line in TABLE:
        found = _find(line, environ)
        if isinstance(found, EngineMissing):
            complaints.append(str(found))
            where, version = "missing", line.version
        else:
            where, version = str(found.folder), found.version
        table.add_row(line.name, version, _WORDS.get(type(line.way), "Maven"), where)
    return table, complaints


def _find(line: Entry, environ: Mapping[str, str]) -> Found | EngineMissing:
    from ops.engines.found import EngineMissing, find

    try:
        return find(line, environ)
    except EngineMissing as error:
        return error
