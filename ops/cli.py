"""`kinora`: what an operator types.

    0    done, and all is well
    1    done, and something is wrong (demo: a mismatch; check: a fault)
    2    the command line or the settings are not understood
    3    a person has to change something first; the message says what
    70   a bug, with its traceback
    130  interrupted

Only this module turns errors into exit codes. Commands import what they need when they run, so that
`--help` is quick and a server never loads the tools beside it.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.cluster.command import cluster
from ops.engines.command import engines
from ops.errors import CannotGoOn
from ops.migrate_command import migrate
from ops.version import version

if TYPE_CHECKING:
    from ops.fleet.processes import Kind
    from ops.settings import Settings

OK, WRONG, USAGE, CANNOT, BUG, INTERRUPTED = 0, 1, 2, 3, 70, 130

#: People that one demo registers at most: an address may register 60 an hour.
MAX_USERS = 50


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    from ops.environ import SettingsError

    try:
        code = kinora.main(args=arguments, prog_name="kinora", standalone_mode=False)
    except SettingsError as error:
        return _tell(str(error), USAGE)
    except CannotGoOn as error:
        return _tell(str(error), CANNOT)
    except click.ClickException as error:
        error.show()
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        return _tell("Interrupted.", INTERRUPTED)
    except Exception:
        import traceback

        return _tell(f"{traceback.format_exc()}This is a bug; please report it.", BUG)
    return code if isinstance(code, int) else OK


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version(), prog_name="kinora")
def kinora() -> None:
    """An open backend for short-video apps."""


kinora.add_command(engines)
kinora.add_command(cluster)
kinora.add_command(migrate)

_DATA_DIR = click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Instead of KINORA_DATA_DIR."
)


@kinora.command()
@click.option("--host", help="Instead of KINORA_HOST.")
@click.option("--port", help="Instead of KINORA_PORT; 0 takes a free one.")
@_DATA_DIR
def run(host: str | None, port: str | None, data_dir: Path | None) -> int:
    """Serve the whole product in this process until Ctrl-C."""
    settings = _settings(KINORA_HOST=host, KINORA_PORT=port, KINORA_DATA_DIR=data_dir)
    from ops.processes import run_embedded

    return _unwrapped(lambda: run_embedded(settings))


_NAME = click.option("--name", required=True, help="Its name in the fleet, such as node-0.")


@kinora.command()
@_NAME
def gateway(name: str) -> int:
    """Be a gateway of a fleet; a supervisor starts it."""
    return _process("gateway", name)


@kinora.command()
@_NAME
def node(name: str) -> int:
    """Be a node of a fleet; a supervisor starts it."""
    return _process("node", name)


@kinora.command()
@_NAME
def media(name: str) -> int:
    """Be a media worker of a fleet; a supervisor starts it."""
    return _process("media", name)


@kinora.command()
@click.option("--url", help="Where the product is; else as the data folder says.")
@click.option(
    "--clips",
    type=click.Path(path_type=Path),
    help="Folder of clips, with or without expected.json; else some are made.",
)
@click.option("--users", type=click.IntRange(1, MAX_USERS), default=8, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Same seed, same choices.")
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path), help="Write the report there."
)
@click.option("--timeout-s", type=click.FloatRange(10), default=900.0, show_default=True)
@_DATA_DIR
def demo(
    url: str | None,
    clips: Path | None,
    users: int,
    seed: int,
    json_file: Path | None,
    timeout_s: float,
    data_dir: Path | None,
) -> int:
    """Be some people who use everything, and check that the product keeps its word."""
    settings = _settings(KINORA_DATA_DIR=data_dir)
    from ops.demo.command import demo as play

    report = play(
        _finder(url, settings),
        clips=clips,
        users=users,
        seed=seed,
        timeout_s=timeout_s,
        json_file=json_file,
    )
    return OK if report.good else WRONG


@kinora.command()
@click.option("--docs", is_flag=True, help="Every setting with its form and meaning, no values.")
def config(docs: bool) -> int:
    """Show what the settings come to, and where each comes from."""
    from rich.console import Console

    from ops.config_table import docs_table, values_table

    if docs:
        Console().print(docs_table())
    else:
        Console().print(values_table(_settings(), os.environ))
    return OK


@kinora.command()
@click.option(
    "--repair", is_flag=True, help="Recount and remove litter; the product must be stopped."
)
@_DATA_DIR
def check(repair: bool, data_dir: Path | None) -> int:
    """Hold counts against facts and blobs against rows; changes nothing unless told to."""
    settings = _settings(KINORA_DATA_DIR=data_dir)
    from ops.check.command import OpenNode
    from ops.check.command import check as find

    open_node: OpenNode | None = None
    if repair:
        from functools import partial

        from ops.wiring import open_for_repair

        open_node = partial(open_for_repair, settings)
    return WRONG if _unwrapped(lambda: find(settings.data_dir, open_node=open_node)) else OK


@kinora.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--seconds", type=click.FloatRange(0.1, 600), default=5.0, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option("--force", is_flag=True, help="Replace what is there.")
def clip(file: Path, seconds: float, seed: int, force: bool) -> int:
    """Make a clip, so that there is something to upload."""
    from ops.clip_command import write_clip

    write_clip(file, seconds, seed=seed, force=force)
    click.echo(f"{file}: {seconds:g} s, {file.stat().st_size} bytes")
    return OK


def _process(kind: "Kind", name: str) -> int:
    """One process of a fleet; its exit codes are the table that supervisors go by."""
    from ops.environ import SettingsError
    from ops.fleet.processes import run_process
    from ops.supervisor.exit_codes import ExitCode

    try:
        settings = _settings()
    except SettingsError as error:
        return _tell(str(error), ExitCode.CONFIGURATION)
    return run_process(kind, name, settings)


def _settings(**options: str | Path | None) -> "Settings":
    """The environment's settings, with what was said on the command line on top."""
    from ops.settings import Settings

    given = {name: str(value) for name, value in options.items() if value is not None}
    return Settings.from_env({**os.environ, **given})


def _finder(url: str | None, settings: "Settings") -> Callable[[], str]:
    """Where the product is now: it may come back on another port."""
    if url is not None:
        given = url.rstrip("/")
        return lambda: given
    from ops.data_dir import DataDir

    folder = DataDir(settings.data_dir)

    def find() -> str:
        ports = folder.ports()
        return ports.url if ports is not None else settings.url_at(settings.port)

    return find


def _unwrapped(work: Callable[[], int]) -> int:
    """Do `work`; a store that cannot be used is a message, not a bug."""
    from sharding.errors import StorageUnavailable
    from storage.errors import WrongDatabase

    try:
        return work()
    except WrongDatabase as error:
        raise CannotGoOn(str(error)) from error
    except StorageUnavailable as error:
        raise CannotGoOn(f"{error.detail} {error.context or ''}".strip()) from error


def _tell(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
