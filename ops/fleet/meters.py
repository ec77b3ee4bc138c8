"""How the parts of a fleet show their numbers: each snapshot by its fields, so that none is forgotten."""

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import msgspec

from ops.metrics import Metrics, Sample


def watch_adapter(metrics: Metrics, adapter: str, read: Callable[[], Any]) -> None:
    """Show every number of an adapter's or a link's statistics as `kinora_adapter{adapter, number}`."""

    def samples() -> tuple[Sample, ...]:
        return tuple(
            ("kinora_adapter", value, {"adapter": adapter, "number": name})
            for name, value in numbers(read())
        )

    metrics.collect(samples)


def numbers(snapshot: Any, prefix: str = "") -> Iterator[tuple[str, float]]:
    """Every number in a snapshot, and in the snapshots within it, by its path."""
    for name in _names(snapshot):
        value = getattr(snapshot, name)
        if isinstance(value, int | float):
            yield f"{prefix}{name}", value
        elif isinstance(value, msgspec.Struct) or is_dataclass(value):
            yield from numbers(value, f"{prefix}{name}.")
        elif isinstance(value, tuple):
            for at, each in enumerate(value):
                yield from numbers(each, f"{prefix}{name}.{getattr(each, 'node', at)}.")


def _names(snapshot: Any) -> tuple[str, ...]:
    if isinstance(snapshot, msgspec.Struct):
        return snapshot.__struct_fields__
    if is_dataclass(snapshot):
        return tuple(field.name for field in fields(snapshot))
    return ()
