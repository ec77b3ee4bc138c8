"""A person's picture, re-encoded in the same kind of child as clips are.

Parent side: knows nothing of FFmpeg, refuses by the first bytes what needs no process to be refused.
"""

import asyncio
import tempfile
from pathlib import Path

from media.encoder import ChildRunner, SubprocessRunner
from media.messages import ChildBounds, StillEncoded, StillRequest
from sharding.errors import Internal, TooLarge, Unavailable, Unprocessable, UnsupportedMedia

#: What may be sent, in bytes, and what comes back, in pixels a side.
MAX_BYTES, SIDE = 2_000_000, 400

#: Phones take 50 megapixels; a PNG of nothing can claim far more in two megabytes.
MAX_PIXELS = 50_000_000

#: Wall time of one picture in seconds; a large PNG takes one.
DEADLINE_S = 20.0

BOUNDS = ChildBounds(cpu_s=15, memory_bytes=2 * 1024**3, file_bytes=16 * 1024**2, nice=5)


class AvatarEncoder:
    """Re-encodes pictures, at most *concurrency* at a time."""

    def __init__(self, runner: ChildRunner, *, concurrency: int = 1) -> None:
        self._runner = runner
        self._turns = asyncio.Semaphore(concurrency)

    async def encode_avatar(self, data: bytes) -> bytes:
        """*data*, a JPEG, PNG or WebP, as an upright square JPEG of `SIDE` pixels without metadata.

        Raises:
            TooLarge: more than `MAX_BYTES`.
            UnsupportedMedia: another kind of file.
            Unprocessable: it cannot be decoded, or has too many pixels.
            Unavailable: it took too long.
            Internal: the child died.
        """
        if len(data) > MAX_BYTES:
            raise TooLarge(f"A picture may have {MAX_BYTES} bytes.")
        if not looks_supported(data):
            raise UnsupportedMedia("A picture must be a JPEG, PNG or WebP.")
        try:
            async with self._turns, asyncio.timeout(DEADLINE_S):
                return await self._encode(data)
        except TimeoutError:
            raise Unavailable("The picture took too long to process.") from None

    async def _encode(self, data: bytes) -> bytes:
        request = StillRequest(side=SIDE, max_pixels=MAX_PIXELS, bounds=BOUNDS)
        # Two megabytes at most, and gone with the block: files are simpler to hand over than pipes.
        with tempfile.TemporaryFile() as source, tempfile.TemporaryDirectory() as scratch:
            source.write(data)
            source.seek(0)
            verdict = await self._runner.run(request, source, Path(scratch), lambda _: None)
            if isinstance(verdict, StillEncoded):
                return (Path(scratch) / "still.jpg").read_bytes()
        failure = getattr(verdict, "failure", None)
        if failure is None or failure.curable:
            raise Internal("The picture could not be processed.", executed=False)
        if failure.code == "not_a_video":
            raise UnsupportedMedia(failure.title)
        raise Unprocessable(failure.title)


def looks_supported(data: bytes) -> bool:
    """Whether the first bytes are those of a JPEG, PNG or WebP."""
    webp = data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    return data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) or webp


async def encode_avatar(data: bytes) -> bytes:
    """`AvatarEncoder.encode_avatar` in a child of its own, for callers that need one picture."""
    return await AvatarEncoder(SubprocessRunner()).encode_avatar(data)
