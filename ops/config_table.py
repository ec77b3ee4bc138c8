"""`kinora config`: settings as tables."""

from collections.abc import Mapping

from rich.markup import escape
from rich.table import Table

from ops.environ import settings_of
from ops.settings import Settings, explain


def values_table(settings: Settings, environ: Mapping[str, str]) -> Table:
    """Every setting, what it is now, its default, and where the value came from."""
    table = Table(box=None, pad_edge=False)
    for column in ("name", "value", "default", "from"):
        table.add_column(column, overflow="fold")
    for line in explain(settings, environ):
        table.add_row(
            line.setting.name,
            escape(_text(line.value)),
            escape(_text(line.setting.default)),
            line.source,
            style=None if line.source == "default" else "bold",
        )
    return table


def docs_table() -> Table:
    """Every setting, the form of its values, its default and its meaning."""
    table = Table(box=None, pad_edge=False)
    for column in ("name", "default", "form", "meaning"):
        table.add_column(column, overflow="fold")
    for setting in settings_of(Settings):
        table.add_row(
            setting.name, escape(_text(setting.default)), setting.form, escape(setting.doc)
        )
    return table


def _text(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value)
