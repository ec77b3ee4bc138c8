"""toxiproxy, between a test and an engine: delays, cuts and resets links. No part of the product."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from ops.engines.found import Found
from ops.engines.launch import Engine, Launch
from ops.engines.ports import LOOPBACK
from ops.engines.probes import http_answers


def toxiproxy_engine(found: Found, folder: Path, port: int) -> Engine:
    """One proxy without links; `port` is where it is told of them, over HTTP.

    Raises:
        OSError: the folder cannot be written.
    """
    place = folder / "toxiproxy-1"
    place.mkdir(parents=True, exist_ok=True)
    launch = Launch(
        name="toxiproxy-1",
        argv=(str(found.programs["toxiproxy-server"]), "-host", LOOPBACK, "-port", str(port)),
        env={"PATH": os.defpath, "HOME": str(place), "LOG_LEVEL": "warn"},
        cwd=place,
        log=place / "log",
        ready=partial(http_answers, LOOPBACK, port, "/version"),
        address=f"{LOOPBACK}:{port}",
    )
    return Engine(name="toxiproxy", launches=(launch,))
