"""Arrows point down: the picture of the README, kept by machine.

import-linter states the same in setup.cfg and follows chains of imports; this walk needs pytest
alone and names the line.
"""

from __future__ import annotations

from importlib import metadata

import pytest

from tests.architecture.source import FOLDERS, imports, name, python_files

MAY_IMPORT: dict[str, set[str]] = {
    "sharding": set(),
    "actors": {"sharding"},
    "gateway": {"actors", "sharding"},
    "media": {"actors", "sharding"},
    "storage": {"actors", "sharding"},
    "ops": {"actors", "gateway", "media", "sharding", "storage"},
}

#: A driver is spoken to from one place, so that it can be replaced in one place.
HOMES: dict[str, set[str]] = {
    "aioredis_cluster": {"storage"},
    "av": {"media"},
    "cassandra": {"storage"},
    "docker": {"ops"},
    "minio": {"storage"},
    "nats": {"storage"},
    "sanic": {"gateway", "ops"},
    "sqlite3": {"storage"},
}


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_imports_only_what_lies_below_it(folder):
    upward = [
        f"{name(path)}:{line} imports {module}"
        for path in python_files(folder)
        for line, module in imports(path)
        if (top := module.split(".")[0]) in {*FOLDERS, "tests"} - {folder}
        and top not in MAY_IMPORT[folder]
    ]
    assert not upward


@pytest.mark.parametrize("driver", HOMES)
def test_a_driver_is_imported_only_at_its_home(driver):
    strays = [
        f"{name(path)}:{line} imports {module}"
        for path in python_files(*(set(FOLDERS) - HOMES[driver]))
        for line, module in imports(path)
        if module.split(".")[0] == driver
    ]
    assert not strays


def test_no_installed_distribution_shadows_our_names():
    shadows = {
        folder: owners
        for folder in (*FOLDERS, "tests")
        if (owners := set(metadata.packages_distributions().get(folder, ())) - {"kinora"})
    }
    assert not shadows


def test_sanic_ext_is_absent_because_sanic_would_load_it_unasked():
    with pytest.raises(metadata.PackageNotFoundError):
        metadata.version("sanic-ext")
