"""Installing: once, whole or not at all, and one failure spoils nothing else. Nothing is downloaded here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ops.engines.found import EngineMissing, cache_folder
from ops.engines.install import install
from ops.engines.table import Entry, Golang, entry
from ops.errors import CannotGoOn

NATS, TOXIPROXY = entry("nats"), entry("toxiproxy")


def built(line: Entry, target: Path) -> None:
    assert isinstance(line.way, Golang)
    (target / line.way.program).touch()


def refused(line: Entry, target: Path) -> None:
    (target / "half").touch()
    raise EngineMissing(f"no {line.name}")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CACHE_HOME": str(tmp_path), "PATH": ""}


@pytest.fixture
def told() -> list[str]:
    return []


def test_what_is_missing_is_built_into_a_folder_of_its_name_and_version(environ, told):
    assert not install(environ, told.append, lines=(NATS,), build=built)
    assert (cache_folder(environ) / "nats-2.15.2" / "nats-server").exists()
    assert [line.split(":")[0] for line in told] == ["nats 2.15.2"] * 2


def test_what_is_there_is_not_built_again_and_not_told_of(environ, told):
    install(environ, told.append, lines=(NATS,), build=built)
    told.clear()
    assert not install(environ, told.append, lines=(NATS,), build=refused)
    assert not told


def test_a_failed_build_leaves_nothing_that_looks_finished(environ, told):
    failed = install(environ, told.append, lines=(NATS,), build=refused)
    assert str(failed["nats"]) == "no nats"
    assert [path.name for path in cache_folder(environ).iterdir()] == [".nats-2.15.2.lock"]


def test_one_that_cannot_be_had_does_not_keep_the_others_away(environ, told):
    def some(line: Entry, target: Path) -> None:
        (refused if line is NATS else built)(line, target)

    assert set(install(environ, told.append, lines=(NATS, TOXIPROXY), build=some)) == {"nats"}
    assert (cache_folder(environ) / TOXIPROXY.folder).is_dir()


def test_what_a_killed_build_left_is_swept_away_by_the_next(environ, told):
    left = cache_folder(environ) / ".nats-2.15.2.draft"
    left.mkdir(parents=True)
    (left / "half").touch()
    install(environ, told.append, lines=(NATS,), build=built)
    assert not left.exists()
    assert not (cache_folder(environ) / NATS.folder / "half").exists()


def test_two_who_install_at_once_build_once(environ, told):
    begun, go_on = threading.Event(), threading.Event()
    builds: list[str] = []

    def slow(line: Entry, target: Path) -> None:
        builds.append(line.name)
        begun.set()
        assert go_on.wait(10)
        built(line, target)

    def waits(line: str) -> None:
        told.append(line)
        if "waiting" in line:
            go_on.set()

    first = threading.Thread(target=lambda: run(slow, told.append))
    second = threading.Thread(target=lambda: run(slow, waits))

    def run(build: Callable[[Entry, Path], None], say: Callable[[str], None]) -> None:
        install(environ, say, lines=(NATS,), build=build)

    first.start()
    assert begun.wait(10)
    second.start()
    first.join()
    second.join()
    assert builds == ["nats"]


def test_a_cache_that_cannot_be_made_is_a_word_and_not_a_traceback(tmp_path, told):
    (tmp_path / "file").touch()
    with pytest.raises(CannotGoOn, match="XDG_CACHE_HOME"):
        install({"XDG_CACHE_HOME": str(tmp_path / "file")}, told.append, lines=(NATS,))
