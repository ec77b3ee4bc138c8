"""Where a blob lies below the folder, and how it gets there so that a kill leaves it whole or absent.

The name `v/123/1/hls.m3u8` is the file `v/7b/123/1/hls.m3u8~`. The second step of a name is hashed into 256
folders, so that none gets huge, and stays a folder of its own, so that a prefix that names it is found
without looking elsewhere. `~` is in no name, hence a blob and a folder never want the same path.

A type that the ending does not tell lies beside the blob, in `...~type`, written before it: a blob without
its type is never seen.
"""

import os
import shutil
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

from actors.ports.jobs import StoredBlob
from storage.blob_names import checked_prefix, told_type

_BLOB = "~"
_TYPE = "~type"


def path_of(root: Path, name: str) -> Path:
    """Where the blob `name` lies."""
    first, _, rest = name.partition("/")
    if not rest:
        return root / (first + _BLOB)
    second = rest.partition("/")[0]
    return root / first / _fan(second) / (rest + _BLOB)


def stat_blob(root: Path, name: str) -> StoredBlob | None:
    """What is known of a blob, None where there is none."""
    path = path_of(root, name)
    try:
        facts = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return StoredBlob(
        name=name,
        size_bytes=facts.st_size,
        content_type=_type_of(path, name),
        stored_ms=facts.st_mtime_ns // 1_000_000,
    )


def publish(root: Path, temporary: Path, name: str, content_type: str) -> None:
    """Move a finished, synced file to its place, durably; whoever reads sees the old or the new."""
    path = path_of(root, name)
    _make_folders(root, path.parent)
    beside = _type_path(path)
    if content_type != told_type(name):
        written = temporary.with_name(temporary.name + "-type")
        written.write_text(content_type)
        sync(written)
        written.replace(beside)
    temporary.replace(path)
    if content_type == told_type(name):
        beside.unlink(missing_ok=True)
    sync(path.parent)


def discard(root: Path, prefix: str) -> int:
    """Remove every blob whose name starts with `prefix`; how many there were."""
    count = 0
    for _, path in found(root, prefix):
        path.unlink(missing_ok=True)
        _type_path(path).unlink(missing_ok=True)
        _remove_empty(root, path.parent)
        count += 1
    return count


def found(root: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    """Names that start with `prefix` and their files; looks only where such names can lie."""
    first, slash, rest = checked_prefix(prefix).partition("/")
    if not slash:
        for entry in _entries(root):
            if entry.is_dir():
                if entry.name.startswith(first) and not entry.name.startswith("."):
                    yield from _found_in(entry, f"{entry.name}/", prefix)
            elif entry.name.endswith(_BLOB) and entry.name.startswith(first):
                yield entry.name.removesuffix(_BLOB), entry
        return
    second, deeper, _ = rest.partition("/")
    if not deeper:
        # What follows may be the rest of the step or nothing: every fan folder can hold it.
        yield from _found_in(root / first, f"{first}/", prefix)
        return
    folder = root / first / _fan(second) / second
    yield from _walk(folder, f"{first}/{second}/", prefix)


def make_temporary_folder(root: Path) -> Path:
    """The folder of files that are not blobs yet, emptied of what a killed process left."""
    folder = root / ".incoming"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def sync(path: Path) -> None:
    """Bring a file, or the entries of a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _found_in(area: Path, start: str, prefix: str) -> Iterator[tuple[str, Path]]:
    for fan in _entries(area):
        if fan.is_dir():
            yield from _walk(fan, start, prefix)


def _walk(folder: Path, start: str, prefix: str) -> Iterator[tuple[str, Path]]:
    for entry in _entries(folder):
        name = start + entry.name
        if entry.is_dir():
            below = name + "/"
            if below.startswith(prefix) or prefix.startswith(below):
                yield from _walk(entry, below, prefix)
        elif name.endswith(_BLOB) and name.removesuffix(_BLOB).startswith(prefix):
            yield name.removesuffix(_BLOB), entry


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _fan(step: str) -> str:
    return blake2b(step.encode(), digest_size=1).hexdigest()


def _type_path(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(_BLOB) + _TYPE)


def _type_of(path: Path, name: str) -> str:
    try:
        return _type_path(path).read_text()
    except FileNotFoundError:
        return told_type(name)


def _make_folders(root: Path, folder: Path) -> None:
    """Make `folder` and what is missing above it; each new one is durable in its parent."""
    if folder == root or folder.is_dir():
        return
    _make_folders(root, folder.parent)
    folder.mkdir(exist_ok=True)
    sync(folder.parent)


def _remove_empty(root: Path, folder: Path) -> None:
    while folder != root:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent
