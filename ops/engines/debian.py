"""Engines from Debian's packages, unpacked and never installed: no root, no service that starts itself.

apt resolves, downloads, and verifies each package's hash against indexes that are signed. Its own lists
are used where they serve; where they are empty (a fresh machine) or stale, a second set is fetched for the
occasion, so that nothing of the system changes. Libraries that the system lacks are unpacked as well,
found by asking the loader.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ops.engines.found import EngineMissing, library_path, version_of
from ops.engines.table import LIBRARIES, Debian, Entry

#: How long one call of apt or dpkg may take, in seconds.
_CALL_S = 300.0

#: Libraries need libraries: how many times the loader is asked at most.
_ROUNDS = 6


def build(line: Entry, way: Debian, target: Path) -> None:
    """Unpack what `line` needs into `target`.

    Raises:
        EngineMissing: apt is not there or does not have it, or what it has is too old.
    """
    lacking = [name for name in ("apt-get", "dpkg", "ldd") if shutil.which(name) is None]
    if lacking:
        raise EngineMissing(
            f"{line.name} needs {lacking[0]}, which is not here; or {line.otherwise}"
        )
    apt = _Apt(line, target)
    apt.unpack(way.packages)
    programs = [target / path for _, path in way.programs]
    for _ in range(_ROUNDS):
        missing = lacking_libraries(programs, target)
        if not missing:
            break
        for library in sorted(missing):
            apt.unpack_one_of(LIBRARIES.get(library, ()), library)
    apt.tidy()
    version = version_of(programs[0], {"LD_LIBRARY_PATH": library_path(target)})
    if version is None or version < way.at_least:
        said = ".".join(map(str, version)) if version else "it does not run"
        wanted = ".".join(map(str, way.at_least))
        raise EngineMissing(
            f"{line.name} {wanted} or newer is needed; of this system's packages: {said}.\n"
            f"Or {line.otherwise}"
        )


def lacking_libraries(programs: Sequence[Path], target: Path) -> set[str]:
    """What the loader does not find for `programs`, in the system or in `target`."""
    env = {"PATH": os.defpath, "LC_ALL": "C", "LD_LIBRARY_PATH": library_path(target)}
    said = subprocess.run(
        ("ldd", *map(str, programs)), capture_output=True, text=True, env=env, timeout=_CALL_S
    )
    return not_found_in(said.stdout)


def not_found_in(said: str) -> set[str]:
    """The libraries that `ldd` reports as not found."""
    return set(re.findall(r"^\s*(\S+) => not found", said, re.MULTILINE))


class _Apt:
    """apt on the system's lists first, on lists of our own from the first failure on."""

    def __init__(self, line: Entry, target: Path) -> None:
        self._line = line
        self._target = target
        self._state = target / ".apt"
        self._own = False

    def unpack(self, packages: Sequence[str]) -> None:
        """Download `packages` and unpack them, all of them."""
        complaint = self._try(packages)
        if complaint is not None and not self._own:
            self._update()
            complaint = self._try(packages)
        if complaint is not None:
            raise EngineMissing(
                f"apt cannot get {' '.join(packages)} for {self._line.name}:\n{complaint}\n"
                f"If the network is there, as root: apt-get update. Or {self._line.otherwise}"
            )

    def unpack_one_of(self, packages: Sequence[str], library: str) -> None:
        """Download and unpack the first of `packages` that there is, for `library`."""
        for package in packages:
            if self._try((package,)) is None:
                return
        raise EngineMissing(
            f"{self._line.name} needs the library {library}, which this system lacks.\n"
            f"Find its package with: apt-cache search {library.split('.so')[0]}, and install it."
        )

    def tidy(self) -> None:
        """Remove what was needed on the way."""
        shutil.rmtree(self._state, ignore_errors=True)

    def _try(self, packages: Sequence[str]) -> str | None:
        folder = self._state / "packages"
        folder.mkdir(parents=True, exist_ok=True)
        done = self._call(("apt-get", *self._options(), "download", *packages), folder)
        debs = sorted(folder.glob("*.deb"))
        if done.returncode != 0 or not debs:
            shutil.rmtree(folder)
            return tail(done)
        for deb in debs:
            done = self._call(("dpkg", "-x", str(deb), str(self._target)), folder)
            if done.returncode != 0:
                return tail(done)
        shutil.rmtree(folder)
        return None

    def _update(self) -> None:
        self._own = True
        (self._state / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        (self._state / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
        self._call(("apt-get", *self._options(), "update"), self._state)

    def _options(self) -> tuple[str, ...]:
        # As root, apt would hand over to a user of its own, who cannot write to our folders.
        ours = ("-o", "APT::Sandbox::User=", "-qq")
        if not self._own:
            return ours
        lists, cache = self._state / "lists", self._state / "cache"
        return (*ours, "-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={cache}")

    def _call(self, command: Sequence[str], cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=cwd,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=_CALL_S,
            env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
        )


def tail(done: subprocess.CompletedProcess[str], lines: int = 6) -> str:
    """The end of what a command said."""
    return "\n".join((done.stdout + done.stderr).strip().splitlines()[-lines:])
