"""HLS playlists (RFC 8216, version 7) over byte ranges of the rungs' own files.

No segment files: a playlist names ranges of the one object that progressive players fetch too. All
names are relative, because the signature lies in the path above them.
"""

from fractions import Fraction
from math import ceil

from actors.media import Rung
from media.package import Layout


def media_playlist(rung: Rung, layout: Layout) -> str:
    """The fragments of one rung, each independently decodable."""
    longest = max(fragment.duration_s for fragment in layout.fragments)
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{max(1, ceil(longest))}",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f'#EXT-X-MAP:URI="{rung.file}",BYTERANGE="{rung.init[1] + 1}@0"',
    ]
    for fragment in layout.fragments:
        lines += [
            f"#EXTINF:{float(fragment.duration_s):.6f},",
            f"#EXT-X-BYTERANGE:{fragment.end - fragment.start}@{fragment.start}",
            rung.file,
        ]
    lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def master_playlist(rungs: list[tuple[Rung, Layout, str]]) -> str:
    """All rungs, the first one first: players start with it. The third part names its playlist."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for rung, layout, playlist in rungs:
        lines += [
            f"#EXT-X-STREAM-INF:BANDWIDTH={peak_bitrate(layout)},AVERAGE-BANDWIDTH={rung.bitrate},"
            f'CODECS="{rung.codecs}",RESOLUTION={rung.width}x{rung.height},FRAME-RATE={rung.fps:.3f}',
            playlist,
        ]
    return "\n".join(lines) + "\n"


def peak_bitrate(layout: Layout) -> int:
    """The highest bit rate of a segment, and never less than the average of the whole.

    A last segment of a few frames says nothing about bandwidth, so one shorter than half the longest
    does not count.
    """
    longest = max(fragment.duration_s for fragment in layout.fragments)
    rates = [
        (fragment.end - fragment.start) * 8 / fragment.duration_s
        for fragment in layout.fragments
        if fragment.duration_s * 2 >= longest
    ]
    return ceil(max([*rates, layout.size * 8 / layout.duration_s], default=Fraction(0)))
