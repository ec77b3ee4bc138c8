"""`ports.json`: where a running product can be reached, for the tools beside it.

Ports other than the product's own are chosen by the system, so that nothing collides; this file is how
one finds them. It is replaced whole, so a reader sees an old one or a new one and never half of one. After
a crash it stays behind: who reads it must expect that nobody answers.
"""

import os
from pathlib import Path

import msgspec

#: A file larger than this is not ours, in bytes.
MAX_BYTES = 16 * 1024


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """Where one running product serves."""

    #: Base address of the HTTP contract, without a slash at the end.
    url: str
    #: Address of the metrics page.
    metrics_url: str
    #: Process that serves.
    pid: int
    version: str = ""


def write_ports(path: Path, ports: Ports) -> None:
    """Replace the file at `path`.

    Raises:
        OSError: it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(ports), indent=1) + b"\n")
    draft.replace(path)


def read_ports(path: Path) -> Ports | None:
    """What the file at `path` says; None when there is none, or none of ours."""
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(MAX_BYTES), type=Ports)
    except (OSError, msgspec.DecodeError):
        return None
