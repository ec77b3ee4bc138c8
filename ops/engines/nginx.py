"""nginx in the foreground, for whoever runs it: no root, nothing outside its folder.

The configuration comes finished; this adds only what it cannot know: where it runs, that it stays in the
foreground, and that its workers are who its master is, so that they can read what we wrote.
"""

from __future__ import annotations

import os
import pwd
import signal
from functools import partial
from pathlib import Path

from ops.engines.found import Found
from ops.engines.launch import Engine, Launch
from ops.engines.ports import LOOPBACK
from ops.engines.probes import http_answers

#: Where a request keeps what does not fit in memory; compiled-in places need root.
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def nginx_engine(
    found: Found, folder: Path, port: int, config: str, *, ready_path: str = "/healthz"
) -> Engine:
    """One server from the text of its configuration.

    The text says neither `daemon`, `pid`, `user` nor `error_log`; relative paths in it are below the
    engine's folder, and `temporary_paths()` belongs in its `http` block.

    Raises:
        OSError: the folder cannot be written.
    """
    place = nginx_folder(folder)
    (place / "tmp").mkdir(parents=True, exist_ok=True)
    written = place / "nginx.conf"
    # It holds the edge's secrets.
    written.touch(mode=0o600)
    written.write_text(config)
    launch = Launch(
        name="nginx-1",
        argv=(
            str(found.programs["nginx"]),
            *("-p", f"{place}/", "-c", str(written), "-e", "stderr", "-g", _globals(place)),
        ),
        env={"PATH": os.defpath, "HOME": str(place), **found.env},
        cwd=place,
        log=place / "log",
        # Any answer will do: what lies behind the edge may be down.
        ready=partial(http_answers, LOOPBACK, port, ready_path, below=600),
        address=f"{LOOPBACK}:{port}",
        stop_signal=signal.SIGQUIT,
        # Killed, a master leaves its workers behind; told to end, it ends them first.
        death_signal=signal.SIGTERM,
    )
    return Engine(name="nginx", launches=(launch,))


def nginx_folder(folder: Path) -> Path:
    """Where it runs below the folder of all engines."""
    return folder / "nginx-1"


def temporary_paths() -> str:
    """Lines for the `http` block."""
    return "\n".join(f"{name}_temp_path tmp/{name};" for name in TEMPORARY)


def _globals(place: Path) -> str:
    user = f" user {pwd.getpwuid(0).pw_name} root;" if os.geteuid() == 0 else ""
    return f"daemon off; pid {place / 'pid'};{user}"
