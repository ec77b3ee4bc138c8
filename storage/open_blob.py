"""`OpenBlob`: a blob held open for reading, which stays whole when it is discarded meanwhile.

What is the same wherever the bytes lie; an adapter says how one piece is read.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import BinaryIO, Protocol, TypeVar

from actors.ports.jobs import StoredBlob
from sharding.errors import Internal

T = TypeVar("T")

#: Bytes that are read at a time.
CHUNK_BYTES = 256 * 1024


class Runner(Protocol):
    """Runs what blocks beside the event loop."""

    async def run(self, call: Callable[[], T]) -> T:
        """What `call` returns."""
        ...


class OpenBlob(ABC):
    """Fills `gateway.ports.BlobReader`."""

    __slots__ = ("_runner", "blob", "file")

    def __init__(self, blob: StoredBlob, file: BinaryIO, runner: Runner) -> None:
        #: What is held; its size is that of the open file, whatever happens to the name.
        self.blob = blob
        self.file = file
        self._runner = runner

    @property
    def size_bytes(self) -> int:
        """Bytes of the whole blob."""
        return self.blob.size_bytes

    @property
    def content_type(self) -> str:
        """What it was stored as."""
        return self.blob.content_type

    async def chunks(self, first: int, length: int) -> AsyncIterator[bytes]:
        """At most `length` bytes from offset `first`, in pieces of `CHUNK_BYTES`; less at the end."""
        end = min(first + length, self.size_bytes)
        while first < end:
            size = min(CHUNK_BYTES, end - first)
            piece = await self._runner.run(partial(self._checked, first, size))
            if not piece:
                return
            first += len(piece)
            yield piece

    async def close(self) -> None:
        """Let it go. Idempotent."""
        self.file.close()

    @abstractmethod
    def piece(self, offset: int, size: int) -> bytes:
        """At most `size` bytes of `file` from `offset`. Blocks."""

    def _checked(self, offset: int, size: int) -> bytes:
        if self.file.closed:
            raise Internal(context=f"{self.blob.name} is read after it was closed")
        return self.piece(offset, size)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.blob.name} {self.size_bytes}>"
