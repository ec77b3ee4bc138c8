"""The whole of one attempt inside the child: check, probe, one pass, then everything measured and written.

Order matters: what is cheap and refuses comes first, and the first frame is decoded only when nothing
that can be known before it speaks against the clip.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import av
from av.stream import Stream

from actors.media import EncodedMedia, Rung
from media.errors import Refused
from media.messages import Encoded, EncodeRequest
from media.package import FASTSTART, REORDER_FRAMES, Layout, describe, measure, mend
from media.playlists import master_playlist, media_playlist
from media.probe import probe
from media.stills import hash_of, jpeg
from media.transcode import Transcoded, Transcoder

#: Shares of the progress that an author sees, by what is done: checked and probed, then the pass.
PROBED, PASSED = 0.03, 0.97

READ_BYTES = 1 << 20


def encode_clip(
    file: BinaryIO, scratch: Path, request: EncodeRequest, progress: Callable[[float], None]
) -> Encoded:
    """Turn the clip in *file* into everything that is published, in *scratch*.

    Raises:
        Refused: with the code of API.md.
    """
    check_upload(file, request)
    info = probe(file, request.limits)
    progress(PROBED)
    transcoder = Transcoder(
        info,
        request.limits,
        scratch,
        threads=request.threads,
        progress=lambda share: progress(PROBED + (PASSED - PROBED) * share),
    )
    result = transcoder.run(file)
    files = _package(result, scratch)
    progress(1.0)
    return files


def check_upload(file: BinaryIO, request: EncodeRequest) -> None:
    """Whether the bytes are the ones that were announced.

    Raises:
        Refused: `too_large`, `size_mismatch`, `checksum_mismatch`, or `not_a_video` for no bytes at all.
    """
    digest, size = hashlib.sha256(), 0
    file.seek(0)
    while block := file.read(READ_BYTES):
        size += len(block)
        if size > request.limits.max_bytes:
            raise Refused("too_large", f"The file is larger than {request.limits.max_bytes} bytes.")
        if request.sha256 is not None:
            digest.update(block)
    if size != request.size_bytes:
        raise Refused("size_mismatch", "The file is not of the size that was announced.")
    if request.sha256 is not None and digest.hexdigest() != request.sha256.lower():
        raise Refused("checksum_mismatch", "The file is not the one that was announced.")
    if not size:
        raise Refused("not_a_video", "The file is empty.")


def remux_faststart(source: Path, target: Path) -> None:
    """Copy a rung into an ordinary MP4 with its index in front, for sharing and old players."""
    with av.open(str(source)) as reader, av.open(str(target), "w", "mp4", FASTSTART) as writer:
        copies: dict[int, Stream] = {
            stream.index: writer.add_stream_from_template(stream)
            for stream in (reader.streams.video[0], reader.streams.audio[0])
        }
        for packet in reader.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream_index]
                writer.mux(packet)


def _package(result: Transcoded, scratch: Path) -> Encoded:
    described: list[tuple[Rung, Layout, str]] = []
    for plan in result.plans:
        path = scratch / plan.file
        data = mend(path.read_bytes(), REORDER_FRAMES / result.fps)
        path.write_bytes(data)
        layout = measure(data)
        described.append((describe(plan, layout, result.fps), layout, f"{plan.name}.m3u8"))
    files = [rung.file for rung, _, _ in described]
    for rung, layout, playlist in described:
        (scratch / playlist).write_text(media_playlist(rung, layout))
        files.append(playlist)
    (scratch / "master.m3u8").write_text(master_playlist(described))
    remux_faststart(scratch / described[0][0].file, scratch / "video.mp4")
    (scratch / "cover.jpg").write_bytes(jpeg(result.cover))
    files += ["master.m3u8", "video.mp4", "cover.jpg", "preview.webp"]
    media = EncodedMedia(
        duration_s=round(result.frames / float(result.fps), 3),
        width=result.width,
        height=result.height,
        thumbhash=hash_of(result.cover),
        loudness_gain_db=result.gain_db,
        cover="cover.jpg",
        preview="preview.webp",
        hls="master.m3u8",
        mp4="video.mp4",
        rungs=tuple(rung for rung, _, _ in described),
        total_bytes=sum((scratch / name).stat().st_size for name in files),
    )
    return Encoded(media=media, files=tuple(files))
