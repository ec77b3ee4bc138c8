"""`compose.yaml`, `Dockerfile` and the code speak of the same images, settings, ports and verbs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from ops.engines.table import TABLE
from ops.environ import FILE_SUFFIX
from ops.settings import Settings

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    read = yaml.safe_load((ROOT / "compose.yaml").read_text())
    assert isinstance(read, dict)
    return read


def services(compose: dict[str, Any], ours: bool) -> dict[str, Any]:
    kinora = compose["x-kinora"]["image"]
    return {
        name: service
        for name, service in compose["services"].items()
        if (service["image"] == kinora) == ours
    }


def test_engines_are_those_of_the_table(compose: dict[str, Any]):
    known = {line.image for line in TABLE if line.image}
    used = {service["image"] for service in services(compose, ours=False).values()}

    # The bare image of NATS has nothing that could ask after its health.
    assert {image.removesuffix("-alpine") for image in used} == known


def test_every_variable_is_a_setting_of_its_form(compose: dict[str, Any], tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("s" * 40)
    told = {
        name: re.sub(r"\$\{\w+:-(.*)\}", r"\1", value)
        for name, value in compose["x-kinora"]["environment"].items()
    }
    told = {n: str(secret) if n.endswith(FILE_SUFFIX) else v for n, v in told.items()}

    settings = Settings.from_env(told)

    assert set(settings.fleet.addresses()) == {"node-0", "node-1"} <= set(compose["services"])


def test_only_gateway_and_edge_are_published_and_only_on_loopback(compose: dict[str, Any]):
    published = {
        name: service["ports"]
        for name, service in compose["services"].items()
        if service.get("ports")
    }
    assert set(published) == {"gateway", "edge"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_whatever_stays_is_asked_after_its_health(compose: dict[str, Any]):
    stays = [name for name, each in compose["services"].items() if each.get("restart") != "no"]
    once = {"redis-settle"}
    assert not [
        name
        for name in stays
        if name not in once and "healthcheck" not in compose["services"][name]
    ]


def test_the_image_runs_as_nobody_special_and_takes_its_base_as_an_argument():
    text = (ROOT / "Dockerfile").read_text()

    assert re.search(r"^ARG BASE=python:3\.12-slim-bookworm$", text, re.MULTILINE)
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    assert "GPL" in text
    assert 'ENTRYPOINT ["kinora"]' in text
