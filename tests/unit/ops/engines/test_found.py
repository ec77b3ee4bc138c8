"""Finding engines: in the cache, on the PATH, or with a word on how to get them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.engines.found import EngineMissing, cache_folder, find, find_java, java_number, version_in
from ops.engines.table import entry


def program(folder: Path, name: str, says: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def java(home: Path, version: str) -> Path:
    (home / "bin").mkdir(parents=True)
    (home / "release").write_text(f'IMPLEMENTOR="X 99.9"\nJAVA_VERSION="{version}"\n')
    return program(home / "bin", "java", "")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64", (7, 0, 15)),
        ("nginx version: nginx/1.22.1", (1, 22, 1)),
        ('openjdk version "17.0.15" 2025-04-15', (17, 0, 15)),
        ("go 1.26.8", (1, 26, 8)),
        ("go 1.27", (1, 27)),
        ("no version at all", None),
    ],
)
def test_versions_are_read_from_what_programs_say(text, version):
    assert version_in(text) == version


def test_the_cache_is_outside_every_checkout(tmp_path):
    assert cache_folder({"XDG_CACHE_HOME": "/c", "HOME": "/h"}) == Path("/c/kinora/engines")
    assert cache_folder({"HOME": "/h"}) == Path("/h/.cache/kinora/engines")


def test_what_is_in_the_cache_is_found_before_what_is_on_the_path(tmp_path):
    program(tmp_path / "bin", "redis-server", "v=7.2.4")
    program(tmp_path / "bin", "redis-cli", "")
    environ = {"XDG_CACHE_HOME": str(tmp_path), "PATH": str(tmp_path / "bin")}
    assert find(entry("redis"), environ).version == "7.2.4"
    folder = cache_folder(environ) / entry("redis").folder
    libraries = folder / "usr" / "lib" / "x"
    libraries.mkdir(parents=True)
    (libraries / "liblzf.so.1").touch()
    found = find(entry("redis"), environ)
    assert found.programs["redis-server"] == folder / "usr/bin/redis-server"
    assert found.env == {"LD_LIBRARY_PATH": str(libraries)}


def test_a_redis_on_the_path_that_is_too_old_is_no_redis(tmp_path):
    program(tmp_path, "redis-server", "v=6.0.16")
    program(tmp_path, "redis-cli", "")
    with pytest.raises(EngineMissing, match="make engines"):
        find(entry("redis"), {"XDG_CACHE_HOME": str(tmp_path), "PATH": str(tmp_path)})


def test_a_missing_engine_says_how_to_get_it(tmp_path):
    environ = {"XDG_CACHE_HOME": str(tmp_path), "PATH": ""}
    with pytest.raises(EngineMissing, match=r"nats .* make engines\n.*Go 1\.26"):
        find(entry("nats"), environ)


@pytest.mark.parametrize(("version", "number"), [("17.0.15", 17), ("1.8.0_402", 8), ("21", None)])
def test_the_number_of_a_java_is_read_without_starting_it(tmp_path, version, number):
    assert java_number(java(tmp_path, version)) == number


def test_java_home_is_asked_first_and_one_that_is_too_new_is_passed_over(tmp_path):
    new, right = java(tmp_path / "21", "21.0.1"), java(tmp_path / "17", "17.0.1")
    home = {"JAVA_HOME": str(tmp_path / "17"), "PATH": str(new.parent)}
    assert find_java(home) == right
    path = {"JAVA_HOME": str(tmp_path / "21"), "PATH": str(right.parent)}
    assert find_java(path) == right
