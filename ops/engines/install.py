"""Have the engines: build what is missing into the user's cache, once.

A folder in the cache is complete by being there: each engine is built in a folder beside it and renamed.
Two who install at once wait for each other, engine by engine; what a killed one left is removed by the
next. Downloads go on beside builds, builds one after the other: they take all cores.
"""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from ops.engines import debian, golang, maven
from ops.engines.found import EngineMissing, Found, cache_folder, find
from ops.engines.table import TABLE, Debian, Entry, Golang, Maven
from ops.errors import CannotGoOn

#: What one line of progress is told to.
Say = Callable[[str], None]

#: Makes one engine in an empty folder.
Build = Callable[[Entry, Path], None]


def install(
    environ: Mapping[str, str],
    say: Say,
    *,
    lines: Sequence[Entry] = TABLE,
    build: Build | None = None,
) -> dict[str, EngineMissing]:
    """Have all of `lines`; returns those that cannot be had, with what to do about it.

    Raises:
        CannotGoOn: the cache folder cannot be written.
    """
    cache = cache_folder(environ)
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotGoOn(
            f"The engines' folder {cache} cannot be made: {error.strerror}.\n"
            "Set XDG_CACHE_HOME to a folder that can."
        ) from error
    wanted = [line for line in lines if not _there(line, environ)]
    heavy = [line for line in wanted if isinstance(line.way, Golang)]
    light = [line for line in wanted if not isinstance(line.way, Golang)]
    failed: dict[str, EngineMissing] = {}

    def have(some: Sequence[Entry]) -> None:
        for line in some:
            try:
                _have(line, environ, cache, say, build or build_by_its_way)
            except EngineMissing as error:
                failed[line.name] = error
                say(f"{line.name} {line.version}: cannot be had")

    with ThreadPoolExecutor(2) as aside:
        for done in [aside.submit(have, some) for some in (heavy, light)]:
            done.result()
    return failed


def build_by_its_way(line: Entry, target: Path) -> None:
    """Build one engine into the empty folder `target`.

    Raises:
        EngineMissing: it cannot be had here.
    """
    match line.way:
        case Debian() as way:
            debian.build(line, way, target)
        case Golang() as way:
            golang.build(line, way, target)
        case Maven() as way:
            maven.build(line, way, target)


def _there(line: Entry, environ: Mapping[str, str]) -> Found | None:
    try:
        return find(line, environ)
    except EngineMissing:
        return None


def _have(line: Entry, environ: Mapping[str, str], cache: Path, say: Say, build: Build) -> None:
    with _one_at_a_time(cache, line, say):
        if (cache / line.folder).is_dir():
            # Either somebody else was quicker, or it is what runs it that is missing.
            find(line, environ)
            return
        draft = cache / f".{line.folder}.draft"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        say(f"{line.name} {line.version}: {_how(line)} ...")
        began = time.monotonic()
        try:
            build(line, draft)
            draft.rename(cache / line.folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        say(f"{line.name} {line.version}: ready after {time.monotonic() - began:.0f} s")


def _how(line: Entry) -> str:
    match line.way:
        case Debian():
            return "unpacking Debian packages"
        case Golang():
            return "building with Go"
        case Maven():
            return "fetching jars with Maven"


@contextmanager
def _one_at_a_time(cache: Path, line: Entry, say: Say) -> Iterator[None]:
    with (cache / f".{line.folder}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{line.name} {line.version}: somebody else is at it, waiting ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
