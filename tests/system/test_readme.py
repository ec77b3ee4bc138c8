"""The README's first session, run as a reader would: in a real shell, in order, against a real product.

Every block fenced as `sh` is run; blocks fenced as `console` are shown only. The session runs in a folder
whose `.venv` leads to the interpreter that runs the tests, so it needs no set-up checkout.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.product import ROOT, child_product, environment

#: How long the whole session may take, its two encodings included, in seconds.
SESSION_S = 240.0

_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the session is typed with curl")
@pytest.mark.timeout(SESSION_S + 60)
def test_the_first_session_works_when_pasted(tmp_path: Path):
    place = tmp_path / "checkout"
    make_environment(place / ".venv" / "bin")

    with child_product(tmp_path / "data") as product:
        session = subprocess.run(
            ["sh", "-e", "-c", "\n".join(blocks())],
            cwd=place,
            env=environment(product.data) | {"KINORA_PORT": str(product.port)},
            capture_output=True,
            text=True,
            timeout=SESSION_S,
        )

    said = session.stdout + session.stderr
    assert session.returncode == 0, said
    assert session.stdout.count('"status":"ready"') == 2, said
    assert re.search(r"^206 \d+ bytes$", session.stdout, re.MULTILINE), said
    assert '"liked":true' in session.stdout, said
    assert len(set(re.findall(r'"comment_id":"(\d+)"', session.stdout))) == 1, said
    assert '"resumed":true' in session.stdout, said
    for event in ("video.liked", "user.followed", "comment.created"):
        assert f'"type":"{event}"' in session.stdout, said


def test_the_session_asks_for_no_tool_but_curl_and_those_of_the_environment():
    words = {word for block in blocks() for word in re.findall(r"\b[a-z]\w+\b", block)}
    assert blocks()
    assert not words & {"jq", "wget", "httpie", "websocat", "wscat", "docker", "pip", "sudo"}


def blocks() -> list[str]:
    """The session's blocks, in order."""
    return _BLOCK.findall((ROOT / "README.md").read_text())


def make_environment(folder: Path) -> None:
    """The two commands of `.venv` that the session uses, by way of this interpreter."""
    folder.mkdir(parents=True)
    for name, module in (("python", ""), ("kinora", "-m ops.cli ")):
        command = folder / name
        line = f'PYTHONPATH="{ROOT}" exec "{sys.executable}" {module}"$@"'
        command.write_text(f"#!/bin/sh\n{line}\n")
        command.chmod(0o755)
