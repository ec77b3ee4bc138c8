"""The two pages of the docs that are made from the code: settings and metrics.

`python -m tests.architecture.pages` writes them anew; `test_docs` compares. So the meaning of a setting stands
beside its default, that of a metric in the list of metrics, and the pages cannot lag behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from ops.environ import Setting, settings_of
from ops.metrics import METRICS
from ops.settings import Settings
from tests.architecture.source import ROOT

DOCS = ROOT / "ops" / "docs"

_SETTINGS = """\
# Settings

Everything that can be set, by environment variable. `kinora config` shows what the settings come to and where each
value is from; `kinora config --docs` prints this page. A name that begins with `KINORA_` and is not here stops the
start, with the nearest name that is. What Kubernetes injects for a service called `kinora` is not taken for ours.

This page is made from the code: `.venv/bin/python -m tests.architecture.pages`.
"""

_METRICS = """\
# Metrics

Served as Prometheus text on a port of its own, never on the product's: `metrics_url` in `ports.json` of the data
folder says where, `KINORA_METRICS_HOST` and `KINORA_METRICS_PORT` choose. Beside these stand the usual numbers of
the process and of Python. What to look at when something is wrong is in [operations](operations.md).

This page is made from the code: `.venv/bin/python -m tests.architecture.pages`.
"""

#: What a section holds, by the first word of its settings' names.
_SECTIONS = {
    "": "The process",
    "ACTORS": "Actors: how much a node holds",
    "FEED": "Feeds: what they are cut from",
    "LIMITS": "Limits of one person",
    "GATEWAY": "The edge",
    "MEDIA": "The encoder",
    "DATABASE": "The database of the embedded product",
    "JOBS": "The queue of encodings of the embedded product",
    "BUS": "The bus of the embedded product",
    "FLEET": "The processes of a fleet",
    "DOOR": "The link between gateways and nodes: the node's end",
    "CALLER": "The link between gateways and nodes: the gateway's end",
    "REDIS": "Redis Cluster: shard state of a fleet",
    "CASSANDRA": "Cassandra: facts of a fleet",
    "NATS": "NATS: events, jobs and the shard table of a fleet",
    "MINIO": "The object store of a fleet",
    "EDGE": "The cache in front of the object store",
}


def pages() -> dict[Path, str]:
    """The text of each page that is made, by its place."""
    return {DOCS / "settings.md": settings_page(), DOCS / "metrics.md": metrics_page()}


def settings_page() -> str:
    """Every setting with its default, form and meaning, by section."""
    lines: list[str] = []
    section = None
    for setting in settings_of(Settings):
        here = setting.path[0].upper() if len(setting.path) > 1 else ""
        if here != section:
            section = here
            lines += ["", f"## {_SECTIONS[here]}", "", *table("name", "default", "form", "meaning")]
        lines.append(row(f"`{setting.name}`", shown(setting), setting.form, setting.doc))
    return _SETTINGS + "\n".join(lines) + "\n"


def metrics_page() -> str:
    """Every metric with its kind, labels and meaning."""
    lines = ["", *table("name", "kind", "labels", "meaning")]
    for name, spec in METRICS.items():
        labels = ", ".join(f"`{label}`" for label in spec.labels)
        lines.append(row(f"`{name}`", spec.kind, labels, spec.meaning))
    return _METRICS + "\n".join(lines) + "\n"


def table(*columns: str) -> Iterator[str]:
    """The head of a table."""
    yield row(*columns)
    yield "|" + "---|" * len(columns)


def row(*cells: str) -> str:
    """A line of a table; what would end a cell is escaped."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def shown(setting: Setting) -> str:
    """A default as one would write it into the environment."""
    value = setting.default
    if value in (None, ()):
        return "none" if value is None else "empty"
    if setting.form.startswith("JSON"):
        return f"`{msgspec.json.encode(value).decode()}`"
    if isinstance(value, bool):
        return f"`{value}`".lower()
    return f"`{','.join(value) if isinstance(value, tuple) else value}`"


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text)
        print(path.relative_to(ROOT))
