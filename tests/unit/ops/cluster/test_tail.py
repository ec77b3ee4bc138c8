"""Logs are followed across the turn to a new file, and nothing is shown twice."""

from __future__ import annotations

from pathlib import Path

from ops.cluster.tail import Follower, last_lines
from ops.supervisor.log_file import BoundedLog


def test_the_last_lines_of_a_log(tmp_path: Path):
    path = tmp_path / "node.log"
    path.write_text("".join(f"line {n}\n" for n in range(100)))

    assert last_lines(path, 2) == ["line 98", "line 99"]
    assert last_lines(tmp_path / "nobody.log", 2) == []


def test_what_comes_is_shown_once_across_a_turn(tmp_path: Path):
    log = BoundedLog(tmp_path / "node.log", 40)
    log.write(b"before\n")
    follower = Follower({"node": log.path})
    seen: list[str] = []

    for n in range(20):
        log.write(f"line {n:02}\n".encode())
        seen += [line for _, line in follower.read()]

    assert seen == [f"line {n:02}" for n in range(20)]
    assert log.older.exists()


def test_half_a_line_waits_for_its_other_half(tmp_path: Path):
    path = tmp_path / "node.log"
    follower = Follower({"node": path})
    path.write_text("whole\nha")
    assert [line for _, line in follower.read()] == ["whole"]

    with path.open("a") as file:
        file.write("lf\n")

    assert [line for _, line in follower.read()] == ["half"]
