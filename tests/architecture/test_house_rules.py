"""What we expect of every file, as far as a machine can tell.

ruff says most of it first and with advice; here stands what ruff cannot say, such as an exception
for one name in one folder.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.source import FOLDERS, ROOT, name, python_files, tree

#: Who may start a bare task, and why.
TASK_MAKERS = {
    "actors/tasks.py": "the one place where a task is born, named and awaited",
}

#: Who may ask the machine for the time or for dice, and why. A folder ends in a slash.
REAL_WORLD = {
    "actors/ports/clock.py": "the real clock itself, which everybody else is handed",
    "ops/": "the composition root hands out the real clock and randomness",
}

CLOCKS = {
    "time.time",
    "time.time_ns",
    "time.monotonic",
    "time.monotonic_ns",
    "time.sleep",
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
}

#: Classes of `random` are fine: an instance is what we inject.
DICE = re.compile(r"random\.[a-z]\w*")

UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")
BARE_IGNORE = re.compile(r"#\s*type:\s*ignore(?!\[)|#\s*noqa(?!:)")
BANNER = re.compile(r"#\s*([-=*#~_])\1{2,}")
MACHINE_PATH = re.compile(r"(?<![\w.}/-])/(?:root|work|home/\w+|Users/\w+)/\w")

TEXTS = {".cfg", ".css", ".html", ".in", ".js", ".json", ".lua", ".md", ".py", ".sql", ".toml"}


def test_a_task_is_born_only_where_tasks_are_born():
    assert not [
        f"{name(path)}:{call.lineno} {called}"
        for path in python_files(*FOLDERS)
        if not allowed(path, TASK_MAKERS)
        for call, called in calls(path)
        if called.rpartition(".")[2] in {"create_task", "ensure_future"}
        and called.rpartition(".")[0] not in task_groups(path)
    ]


def test_time_and_dice_come_from_the_caller():
    assert not [
        f"{name(path)}:{call.lineno} {called}"
        for path in python_files(*FOLDERS)
        if not allowed(path, REAL_WORLD)
        for call, called in calls(path)
        if ".".join(called.split(".")[-2:]) in CLOCKS or DICE.fullmatch(called)
    ]


def test_every_exception_to_a_rule_is_still_in_use():
    named = [*TASK_MAKERS, *REAL_WORLD]
    assert not [exception for exception in named if not (ROOT / exception).exists()]


def test_no_comment_puts_work_off():
    assert not comments_with(UNFINISHED)


def test_an_ignored_finding_is_named():
    assert not comments_with(BARE_IGNORE)


def test_no_banner_divides_a_file():
    assert not comments_with(BANNER)


def test_no_file_knows_somebodys_machine():
    folders = [path for folder in (*FOLDERS, "tests") for path in (ROOT / folder).rglob("*")]
    files = [path for path in (*folders, *ROOT.iterdir()) if path.is_file()]
    assert not [
        f"{name(path)}:{number} {line.strip()}"
        for path in files
        if path.suffix in TEXTS or path.name in {"Makefile", "Dockerfile"}
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if MACHINE_PATH.search(line)
    ]


def allowed(path: Path, exceptions: dict[str, str]) -> bool:
    return any(
        name(path).startswith(exception) if exception.endswith("/") else name(path) == exception
        for exception in exceptions
    )


def calls(path: Path) -> Iterator[tuple[ast.Call, str]]:
    """Yield every call of a dotted name, written out in full where the name was imported."""
    origins = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom) and node.module in {"asyncio", "random", "time"}
        for alias in node.names
    }
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            called = ast.unparse(node.func)
            yield node, origins.get(called, called)


def task_groups(path: Path) -> set[str]:
    """Names bound by `async with TaskGroup() as ...`: structured, hence no bare tasks."""
    return {
        ast.unparse(item.optional_vars)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.AsyncWith)
        for item in node.items
        if item.optional_vars and "TaskGroup(" in ast.unparse(item.context_expr)
    }


def comments_with(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name(path)}:{token.start[0]} {token.string}"
        for path in python_files(*FOLDERS, "tests")
        for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
        if token.type == tokenize.COMMENT and pattern.search(token.string)
    ]
