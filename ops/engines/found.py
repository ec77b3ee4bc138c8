"""What is there of an engine: its programs and the environment they need. Looks only; installs nothing.

Finding is a few looks at the file system and, for Java, one call, so that a start of the fleet does not
wait for it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ops.engines.table import JAVA, Debian, Entry, Golang, Maven
from ops.errors import CannotGoOn

#: How long a program may take to say its version, in seconds.
_VERSION_S = 20.0


class EngineMissing(CannotGoOn):
    """An engine is not there; the message says how to get it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An engine that can be started."""

    name: str
    version: str
    #: Where it lies; for what was on the PATH already, the folder of its program.
    folder: Path
    programs: Mapping[str, Path]
    #: What its programs need beside the ordinary environment.
    env: Mapping[str, str] = field(default_factory=dict)


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where engines are kept: outside every checkout, so that a fresh clone starts at once."""
    home = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or "~").expanduser() / ".cache"
    return Path(home) / "kinora" / "engines"


def find(line: Entry, environ: Mapping[str, str]) -> Found:
    """The engine of `line`, from the cache or, where that will do, from the PATH.

    Raises:
        EngineMissing: it is not there, or what runs it is not.
    """
    folder = cache_folder(environ) / line.folder
    if folder.is_dir():
        return _in_cache(line, folder, environ)
    if isinstance(line.way, Debian) and (found := _on_path(line, line.way, environ)) is not None:
        return found
    raise EngineMissing(
        f"{line.name} {line.version} is not there. Get it with: make engines\n"
        f"Where that does not work: {line.otherwise}"
    )


def _in_cache(line: Entry, folder: Path, environ: Mapping[str, str]) -> Found:
    env: dict[str, str] = {}
    programs: dict[str, Path]
    match line.way:
        case Debian():
            programs = {name: folder / path for name, path in line.way.programs}
            env["LD_LIBRARY_PATH"] = library_path(folder)
        case Golang():
            programs = {line.way.program: folder / line.way.program}
        case Maven():
            programs = {"java": find_java(environ)}
    return Found(name=line.name, version=line.version, folder=folder, programs=programs, env=env)


def library_path(folder: Path) -> str:
    """Where unpacked packages keep their libraries."""
    parts = {path.parent for top in ("usr/lib", "lib") for path in (folder / top).rglob("*.so.*")}
    return os.pathsep.join(sorted(map(str, parts)))


def _on_path(line: Entry, way: Debian, environ: Mapping[str, str]) -> Found | None:
    # Servers lie in sbin, which is not on everybody's PATH.
    path = os.pathsep.join((environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin"))
    programs = {name: shutil.which(name, path=path) for name, _ in way.programs}
    there = {name: Path(found) for name, found in programs.items() if found is not None}
    if len(there) < len(programs):
        return None
    server = there[way.programs[0][0]]
    version = version_of(server, {})
    if version is None or version < way.at_least:
        return None
    spelled = ".".join(map(str, version))
    return Found(name=line.name, version=spelled, folder=server.parent, programs=there)


def version_of(program: Path, env: Mapping[str, str]) -> tuple[int, ...] | None:
    """What `program -v` says, as numbers; None where it says nothing that looks like a version."""
    try:
        said = subprocess.run(
            (str(program), "-v"),
            capture_output=True,
            text=True,
            env={**env, "PATH": os.defpath},
            timeout=_VERSION_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return version_in(said.stdout + said.stderr)


def version_in(text: str) -> tuple[int, ...] | None:
    """The first thing in `text` that looks like a version."""
    match = re.search(r"\b(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part) for part in match.groups() if part is not None) if match else None


def find_java(environ: Mapping[str, str]) -> Path:
    """A Java that runs Cassandra: that of JAVA_HOME, of the PATH, or where Debian puts it.

    Raises:
        EngineMissing: there is none, or none of the right version.
    """
    seen: list[str] = []
    for java in _javas(environ):
        number = java_number(java)
        if number == JAVA:
            return java
        seen.append(f"{java} is Java {number}" if number else f"{java} does not run")
    there = f" ({'; '.join(seen)})" if seen else ""
    raise EngineMissing(
        f"Cassandra needs Java {JAVA}, and there is none{there}.\n"
        f"Debian: apt install openjdk-{JAVA}-jre-headless; elsewhere point JAVA_HOME at one."
    )


def _javas(environ: Mapping[str, str]) -> list[Path]:
    homes = [Path(environ["JAVA_HOME"])] if environ.get("JAVA_HOME") else []
    homes += sorted(Path("/usr/lib/jvm").glob(f"*{JAVA}*"))
    javas = [java for home in homes if (java := home / "bin" / "java").is_file()]
    if (named := shutil.which("java", path=environ.get("PATH"))) is not None:
        javas.insert(1 if environ.get("JAVA_HOME") and javas else 0, Path(named))
    return javas


def java_number(java: Path) -> int | None:
    """Its major version: 17 for "17.0.15", 8 for "1.8.0"."""
    # Java keeps it in a file beside itself; asking the program starts a virtual machine.
    release = java.resolve().parent.parent / "release"
    try:
        version = version_in(_line(release.read_text(), "JAVA_VERSION"))
    except OSError:
        version = version_of_java(java)
    if version is None:
        return None
    return version[1] if version[0] == 1 else version[0]


def version_of_java(java: Path) -> tuple[int, ...] | None:
    """What `java -version` says."""
    try:
        said = subprocess.run(
            (str(java), "-version"), capture_output=True, text=True, timeout=_VERSION_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return version_in(said.stderr + said.stdout)


def _line(text: str, start: str) -> str:
    return next((line for line in text.splitlines() if line.startswith(start)), "")
