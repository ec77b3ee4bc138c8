"""Docs that name something that is not there are worse than none: they are held to the code here.

What stands in backticks is taken at its word: a path exists, a name is defined (in the file that the line
names, where it names one), a setting can be set, a metric is measured, a make target and a verb of the command
line can be typed. Fenced blocks are held to the same for what is typed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

from ops.cli import kinora
from ops.environ import settings_of
from ops.metrics import METRICS
from ops.settings import Settings
from storage.embedded.fact_tables import TABLES
from tests.architecture.pages import pages
from tests.architecture.source import FOLDERS, ROOT, name, python_files, tree

DOCS = ROOT / "ops" / "docs"
#: Every page that somebody reads.
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
#: Pages that name functions, each of which must be found where the page says.
WALKS = [
    *(DOCS / name for name in ("architecture.md", "promises.md", "stability.md")),
    *sorted(DOCS.glob("decisions/*.md")),
]

#: What a set-up, a running product and a backup leave in a checkout, by the first step of the path.
LEFT_BEHIND = {".venv", "backup", "blobs", "data", "ports.json", "scratch", "secrets"}

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"(?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:py|cfg|toml|md)|Makefile")
_NAME = re.compile(r"_*[A-Za-z]\w*(?:\.\w+)?(?:\(\))?")
#: A row that begins with a file and goes on with names; and the same in a sentence.
_ROW = re.compile(r"\| `([\w/]+\.py)` \| ([^|]*) \|")
_IN_FILE = re.compile(r"`([\w.]+)` in `([\w/]+\.py)`")
_LINK = re.compile(r"\[[^\]\n]+\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)

#: What looks like a name of ours and is none: words of protocols, and of other programs.
FOREIGN = {
    "COMMIT",
    "DELETE",
    "GET",
    "POST",
    "PUT",
    "Authorization",
    "KINORA_",
    "secure_link",
    "video.mp4",
}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_a_page_that_is_made_from_the_code_is_up_to_date(page: Path):
    assert page.read_text() == pages()[page], "run: .venv/bin/python -m tests.architecture.pages"


def test_every_setting_has_its_row():
    told = set(re.findall(r"^\| `(\w+)`", (DOCS / "settings.md").read_text(), re.MULTILINE))
    assert told == {setting.name for setting in settings_of(Settings)}


def test_every_metric_has_its_row():
    told = set(re.findall(r"^\| `(\w+)`", (DOCS / "metrics.md").read_text(), re.MULTILINE))
    assert told == set(METRICS)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_setting_and_metric_that_a_page_names_is_there(page: Path):
    known = {setting.name for setting in settings_of(Settings)} | set(METRICS)
    named = set(re.findall(r"\b(?:KINORA|kinora)_\w+", page.read_text()))
    # One that ends openly speaks of all that begin so.
    spoken = {
        each for each in named if each.endswith("_") and any(k.startswith(each) for k in known)
    }
    assert not named - known - spoken


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_path_that_a_page_names_exists(page: Path):
    named = {span.rstrip("/") for span in spans(page) if _PATH.fullmatch(span)}
    assert not sorted(path for path in named if not is_there(path))


@pytest.mark.parametrize("page", WALKS, ids=name)
def test_every_function_that_a_page_names_is_where_the_page_says(page: Path):
    assert not list(strays(page))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_a_page_tells_to_type_can_be_typed(page: Path):
    text = page.read_text()
    typed = [
        *spans(page),
        *(line for _, block in _FENCE.findall(text) for line in block.split("\n")),
    ]
    targets = {word for line in typed for word in re.findall(r"^(?:\$ )?make ([a-z-]+)", line)}
    verbs = {word for line in typed for word in re.findall(r"(?:^|[ /(])kinora ([a-z]+)\b", line)}
    assert targets <= make_targets()
    assert verbs <= set(kinora.commands)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_link_within_the_project_is_dead(page: Path):
    dead = []
    for link in _LINK.findall(_FENCE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, place = unquote(link).partition("#")
        target = (page.parent / path) if path else page
        if not target.exists() or (place and place not in places(target)):
            dead.append(link)
    assert not dead


def test_the_readme_has_one_place_for_measured_numbers():
    text = (ROOT / "README.md").read_text()
    assert text.count("<!-- benchmarks:begin -->") == text.count("<!-- benchmarks:end -->") == 1
    assert text.index("<!-- benchmarks:begin -->") < text.index("<!-- benchmarks:end -->")


def test_every_page_is_reached_from_the_readme():
    seen, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        links = (link.partition("#")[0] for link in _LINK.findall(page.read_text()))
        waiting += [
            found for link in links if link and (found := (page.parent / link).resolve()).is_file()
        ]
    assert not {name(page) for page in DOCS.rglob("*.md")} - {name(page) for page in seen}


@pytest.mark.parametrize("record", sorted(DOCS.glob("decisions/0*.md")), ids=lambda path: path.stem)
def test_a_decision_fits_on_a_page_and_has_the_parts_of_the_template(record: Path):
    text = record.read_text()
    template = (DOCS / "decisions" / "template.md").read_text()
    assert headings(text)[1:] == headings(template)[1:]
    assert headings(text)[0].startswith(record.stem[:4] + " ")
    assert len(text.splitlines()) <= 60


def test_every_kind_of_fact_has_its_promise():
    text = (DOCS / "promises.md").read_text()
    assert not [row.__name__ for row in TABLES if f"`{row.__name__}`" not in text]


def spans(page: Path) -> list[str]:
    """What stands in backticks outside of fenced blocks."""
    return _CODE.findall(_FENCE.sub("", page.read_text()))


def is_there(path: str) -> bool:
    """Whether a path is one of the project, or of what it leaves behind when it runs."""
    if path.split("/")[0] in LEFT_BEHIND:
        return True
    if (ROOT / path).exists() or (DOCS / path).exists():
        return True
    # A bare file name may stand for one that lies deeper.
    return "/" not in path and any(ROOT.glob(f"*/**/{path}"))


def strays(page: Path) -> Iterator[str]:
    """Names that are defined nowhere, or not in the file that the page says.

    A page says so by a row that begins with the file and names functions next, or by "`name` in `file`".
    """
    for line in _FENCE.sub("", page.read_text()).splitlines():
        placed = {match[1]: match[2] for match in _IN_FILE.finditer(line)}
        if row := _ROW.match(line):
            placed |= dict.fromkeys(_CODE.findall(row[2]), row[1])
        for span in _CODE.findall(line):
            if not looks_like_a_name(span):
                continue
            file = placed.get(span)
            known = defined(ROOT / file) if file else everything()
            if span.startswith("test_"):
                known = every_test()
            if span.removesuffix("()") not in known:
                yield f"`{span}` is not in {file or 'any file'}"


def looks_like_a_name(span: str) -> bool:
    """Whether something in backticks is a name of ours: two words, a capital, or called."""
    if not _NAME.fullmatch(span) or _PATH.fullmatch(span) or span in FOREIGN:
        return False
    return span.endswith("()") or "_" in span or "." in span or not span.islower()


@cache
def everything() -> frozenset[str]:
    """Every name that is defined anywhere, words of the contract, settings and metrics."""
    names = frozenset[str]().union(*(defined(path) for path in python_files(*FOLDERS)))
    settings = {setting.name for setting in settings_of(Settings)}
    contract = set(re.findall(r"[a-z]+[._][\w.]*\w", (DOCS / "api.md").read_text()))
    # Tables of the fleet are made by migrations.
    tables = {
        table
        for file in (ROOT / "storage").rglob("*.cql")
        for table in re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", file.read_text())
    }
    return names | settings | contract | tables | set(METRICS)


@cache
def every_test() -> frozenset[str]:
    """Every test."""
    return frozenset[str]().union(*(defined(path) for path in python_files("tests")))


@cache
def defined(path: Path) -> frozenset[str]:
    """Functions, classes, their members and fields, and constants that a file defines."""
    names: set[str] = set()
    for node in tree(path).body:
        names |= set(bound(node))
        if isinstance(node, ast.ClassDef):
            inner = {each for child in ast.walk(node) for each in bound(child)} - {node.name}
            names |= inner | {f"{node.name}.{each}" for each in inner}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names |= {each for child in ast.walk(node) for each in bound(child)}
    return frozenset(names)


def bound(node: ast.AST) -> Iterator[str]:
    """Names that a statement binds, attributes of `self` included."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    for target in targets:
        yield from (each.id for each in ast.walk(target) if isinstance(each, ast.Name))
        if isinstance(target, ast.Attribute):
            yield target.attr


def make_targets() -> set[str]:
    """What can be typed after `make`."""
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


def headings(text: str) -> list[str]:
    """The headings of a page, fenced blocks left out."""
    return _HEADING.findall(_FENCE.sub("", text))


def places(page: Path) -> set[str]:
    """Anchors that a page's headings make."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in headings(page.read_text())
    }
