"""`kinora cluster`: what is typed, what is refused, what is shown."""

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ops.cluster.record import ClusterFolder

#: Lines of each log that are shown first.
_TAIL_LINES = 40
#: Between two looks at logs that are followed, in seconds.
_FOLLOW_S = 0.2

_DIR = click.option(
    "--dir",
    "path",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data/cluster"),
    show_default=True,
    help="Folder of the cluster.",
)


@click.group()
def cluster() -> None:
    """The whole fleet on this machine: engines, nodes, gateways, media workers."""


@cluster.command()
@click.option("--engines", type=click.Choice(["native", "docker"]), help="At first: native.")
@click.option("--cassandra", type=click.Choice(["1", "3"]), help="Nodes of it; at first 1.")
@click.option("--gateways", type=click.IntRange(1, 32), help="At first 1.")
@click.option("--nodes", type=click.IntRange(1, 32), help="At first 2.")
@click.option("--media", type=click.IntRange(1, 32), help="Media workers; at first 1.")
@click.option(
    "--image",
    "images",
    multiple=True,
    metavar="ENGINE=IMAGE",
    help="With docker: instead of the image of the table.",
)
@_DIR
def up(
    path: Path,
    engines: str | None,
    cassandra: str | None,
    gateways: int | None,
    nodes: int | None,
    media: int | None,
    images: tuple[str, ...],
) -> int:
    """Start what is not running and wait until it is healthy; a running cluster is only shown.

    What is not said stays as it was in this folder.
    """
    from ops.cluster.start import up as bring_up

    wish: dict[str, object] = {
        name: value
        for name, value in (
            ("engines", engines),
            ("cassandra", int(cassandra) if cassandra else None),
            ("gateways", gateways),
            ("nodes", nodes),
            ("media", media),
        )
        if value is not None
    }
    return 0 if bring_up(_folder(path), wish, _images(images), os.environ) else 1


@cluster.command()
@_DIR
def status(path: Path) -> int:
    """Show every process; ends with 1 unless all are well."""
    from ops.cluster.start import show

    return 0 if show(_folder(path)) else 1


@cluster.command()
@click.option("--wipe", is_flag=True, help="Remove the folder too: everything that was stored.")
@_DIR
def down(path: Path, wipe: bool) -> int:
    """End everything that `up` started, and nothing else. What was stored stays."""
    from ops.cluster.lifecycle import stop
    from ops.cluster.lifecycle import wipe as remove

    folder = _folder(path)
    ended = stop(folder)
    click.echo("The cluster is stopped." if ended else "No cluster runs here.")
    if wipe:
        remove(folder)
        click.echo(f"Removed {path}.")
    return 0


@cluster.command()
@click.argument("name", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes.")
@_DIR
def logs(path: Path, name: str | None, follow: bool) -> int:
    """Show the end of every log, or of the one of NAME."""
    from ops.cluster.tail import Follower, last_lines
    from ops.errors import CannotGoOn

    supervisor = _folder(path).supervisor
    files = {file.stem: file for file in sorted(supervisor.logs.glob("*.log"))}
    files["supervisor"] = supervisor.own_log
    if name is not None and name not in files:
        raise CannotGoOn(f"There is no log of {name!r}. There are: {', '.join(sorted(files))}.")
    chosen = files if name is None else {name: files[name]}
    follower = Follower(chosen)
    for each, file in chosen.items():
        for line in last_lines(file, _TAIL_LINES):
            click.echo(line if name else f"{each} | {line}")
    while follow:
        for each, line in follower.read():
            click.echo(line if name else f"{each} | {line}")
        sys.stdout.flush()
        time.sleep(_FOLLOW_S)
    return 0


@cluster.command()
@click.argument("names", nargs=-1)
@_DIR
def restart(path: Path, names: tuple[str, ...]) -> int:
    """Restart processes one after another, each ready before the next: all of Kinora's, or NAMES."""
    from ops.cluster.start import restart as roll

    roll(_folder(path), names, click.echo)
    return 0


def _folder(path: Path) -> "ClusterFolder":
    from ops.cluster.record import ClusterFolder

    return ClusterFolder(path.expanduser().absolute())


def _images(given: tuple[str, ...]) -> dict[str, str]:
    from ops.cluster.plan import ENGINES

    images: dict[str, str] = {}
    for each in given:
        name, _, image = each.partition("=")
        if name not in ENGINES or not image:
            raise click.BadParameter(
                f"{each!r} is not ENGINE=IMAGE, ENGINE being one of {', '.join(ENGINES)}.",
                param_hint="--image",
            )
        images[name] = image
    return images
