"""What the server says about itself is true: requests made from its own `/openapi.json`, right ones and wrong ones.

A tool that knows nothing of us reads the document and asks accordingly; whatever comes back must be an answer
that the document names, in the shape that it gives, and never a failure of ours.
"""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from tests.support.people import People
from tests.support.product import environment

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)
#: Requests that are made up for each call, beside those that cover its document.
EXAMPLES = 12
#: How long all of it may take, in seconds.
BUDGET_S = 100


@pytest.mark.timeout(BUDGET_S + 30)
async def test_no_made_up_request_is_answered_otherwise_than_documented(
    people: People, clip: Path, tmp_path: Path
):
    person = await people.join("fuzzer")
    await person.publish(clip)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{people.url}/openapi.json"),
        *("--url", people.url, "--header", f"Authorization: Bearer {person.access}"),
        *("--checks", ",".join(CHECKS), "--mode", "all", "--phases", "examples,coverage,fuzzing"),
        *("--max-examples", str(EXAMPLES), "--seed", "1", "--no-shrink", "--workers", "1"),
        *("--request-timeout", "20", "--warnings", "off", "--suppress-health-check", "all"),
        # It would end the session that it asks with.
        *("--exclude-path", "/auth/logout"),
        cwd=tmp_path,
        env=environment(tmp_path) | {"NO_COLOR": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(BUDGET_S):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = said.decode(errors="replace")
    assert process.returncode == 0, text[-15_000:]
    tried = re.search(r"Tested: (\d+)", text)
    assert tried is not None, text[-2_000:]
    assert int(tried[1]) >= 45, "calls were left out"
    assert (await person.ask("GET", "/user/me")).status == 200
