"""The table: complete, and the same version by whichever way."""

from __future__ import annotations

from typing import get_args

import pytest

from ops.engines.debian import not_found_in
from ops.engines.maven import pom_of
from ops.engines.table import LIBRARIES, TABLE, Debian, EngineName, Golang, Maven, entry


def test_each_engine_stands_in_the_table_once():
    assert sorted(line.name for line in TABLE) == sorted(get_args(EngineName))


@pytest.mark.parametrize("line", TABLE, ids=lambda line: line.name)
def test_an_engine_is_of_one_version_by_whichever_way_or_says_why_not(line):
    if not isinstance(line.way, Debian):
        assert line.version in line.way.version
    if line.image:
        assert line.image.endswith(f":{line.version}") or line.remark
    assert line.image or line.remark == "for tests only"


@pytest.mark.parametrize("line", TABLE, ids=lambda line: line.name)
def test_no_host_of_a_registry_is_named(line):
    first = line.image.split("/")[0]
    assert "." not in first.split(":")[0]


@pytest.mark.parametrize("line", TABLE, ids=lambda line: line.name)
def test_what_is_built_is_pinned(line):
    if isinstance(line.way, Golang):
        assert line.way.version.startswith("v")


def test_the_jars_are_asked_for_by_their_pinned_version():
    way = entry("cassandra").way
    assert isinstance(way, Maven)
    assert f"<version>{way.version}</version>" in pom_of(way)


def test_libraries_that_the_loader_lacks_are_read_from_what_it_says():
    said = (
        "/x/redis-server:\n"
        "\tlinux-vdso.so.1 (0x00007f)\n"
        "\tliblzf.so.1 => not found\n"
        "\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f)\n"
        "\tlibjemalloc.so.2 => not found\n"
    )
    missing = not_found_in(said)
    assert missing == {"liblzf.so.1", "libjemalloc.so.2"}
    assert missing <= set(LIBRARIES)
