"""`/openapi.json` and `/asyncapi.json` tell what is served."""

import re
from pathlib import Path

import jsonschema
import pytest

from gateway.openapi import problem_codes
from gateway.routes import ROUTES
from gateway.settings import GatewaySettings

CONTRACT = Path(__file__).parents[3] / "ops" / "docs" / "api.md"


async def test_every_call_is_told_with_its_body_answer_and_problems(gateway):
    _, told, _ = await gateway.call("GET", "/openapi.json")
    assert told["openapi"] == "3.1.0"
    served = {(route.path, route.method.lower()) for route in ROUTES}
    assert {(path, method) for path, by in told["paths"].items() for method in by} == served
    for route in ROUTES:
        operation = told["paths"][route.path][route.method.lower()]
        assert str(route.status) in operation["responses"]
        assert ("requestBody" in operation) == bool(route.body or route.streams)
        assert {"400", "429", "500", "503"} <= set(operation["responses"])
        assert ("401" in operation["responses"]) or route.public
    names = [operation["operationId"] for by in told["paths"].values() for operation in by.values()]
    assert len(set(names)) == len(names)


async def test_every_reference_leads_somewhere(gateway):
    for path in ("/openapi.json", "/asyncapi.json"):
        _, told, _ = await gateway.call("GET", path)
        for reference in references(told):
            place = told
            for step in reference.removeprefix("#/").split("/"):
                place = place[step]


async def test_a_problem_is_as_it_is_told(gateway):
    _, told, _ = await gateway.call("GET", "/openapi.json")
    _, problem, _ = await gateway.call("GET", "/feed?limit=0")
    schema = {**told["components"]["schemas"]["Problem"], "components": told["components"]}
    jsonschema.Draft202012Validator(schema).validate(problem)


async def test_the_socket_is_told_with_both_sides(gateway):
    _, told, _ = await gateway.call("GET", "/asyncapi.json")
    assert told["asyncapi"] == "3.0.0"
    assert set(told["operations"]) == {"hear", "tell"}
    assert {"4400", "4401", "4408", "4429", "1012"} == set(
        told["channels"]["socket"]["x-close-codes"]
    )


@pytest.mark.skipif(not CONTRACT.exists(), reason="the contract is not written down here yet")
def test_the_page_of_the_contract_knows_every_code():
    page = CONTRACT.read_text()
    assert [code for code in problem_codes() if code not in page] == []


@pytest.mark.skipif(not CONTRACT.exists(), reason="the contract is not written down here yet")
def test_the_page_of_the_contract_knows_every_path():
    page = re.sub(r"\{\w+\}", "{}", CONTRACT.read_text())
    steps = [re.sub(r"\{\w+\}", "{}", route.path).split("/") for route in ROUTES]
    assert [path for path in steps if path[-1] not in page] == []


def test_every_setting_is_a_plain_value_with_a_default():
    assert GatewaySettings() == GatewaySettings()


def references(value):
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)
