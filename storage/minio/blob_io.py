"""One blob on its way to the store, or fetched and held open while it is read.

Both lie in memory while they are short and in an unnamed temporary file beyond, which ends with its last
holder: a kill leaves nothing. A blob that is written reaches the store by its commit, in one piece and under
its final name, so that what is aborted never was there.
"""

from collections.abc import Callable
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from sharding.errors import Internal, TooLarge
from storage.blob_names import checked_name
from storage.minio.calls import Calls
from storage.open_blob import OpenBlob

#: Sends a file: name, file, size in bytes, content type.
Send = Callable[[str, BinaryIO, int, str], None]


def spool(max_memory_bytes: int) -> BinaryIO:
    """A file without a name, in memory up to a size."""
    # Its owner closes it; the spooled file has every method that is used here.
    return cast(BinaryIO, SpooledTemporaryFile(max_memory_bytes))


class MinioBlobWriter:
    """A blob on its way in; fills `gateway.ports.BlobWriter`."""

    __slots__ = ("_calls", "_content_type", "_file", "_max_bytes", "_name", "_send", "_size")

    def __init__(
        self,
        file: BinaryIO,
        name: str,
        content_type: str,
        max_bytes: int,
        send: Send,
        calls: Calls,
    ) -> None:
        self._file = file
        self._name = name
        self._content_type = content_type
        self._max_bytes = max_bytes
        self._send = send
        self._calls = calls
        self._size = 0

    async def write(self, data: bytes) -> None:
        """Append.

        Raises:
            TooLarge: it would pass the blob's `max_bytes`; `data` was not written.
        """
        if self._size + len(data) > self._max_bytes:
            raise TooLarge()
        self._size += len(data)
        await self._calls.run(lambda: self._file.write(data))

    async def commit(self, name: str | None = None) -> None:
        """Make it readable, whole, under `name`, or under the name that it was created with."""
        name = self._name if name is None else checked_name(name)
        if self._file.closed:
            raise Internal(context=f"{name} was committed or aborted before")

        def call() -> None:
            with self._file:
                self._file.seek(0)
                self._send(name, self._file, self._size, self._content_type)

        await self._calls.run(call)

    async def abort(self) -> None:
        """Leave no trace of it. Idempotent, and harmless after `commit`."""
        self._file.close()

    def __repr__(self) -> str:
        return f"<MinioBlobWriter {self._name} {self._size} of {self._max_bytes}>"


class MinioBlobReader(OpenBlob):
    """A fetched blob."""

    __slots__ = ()

    def piece(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset`."""
        self.file.seek(offset)
        return self.file.read(size)
