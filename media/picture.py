"""One decoded frame in, the same picture at every rung's size out: upright, square pixels, SDR tags.

Each size is scaled from the next larger one (a 4K frame is read once, not once a rung), and turning
happens after the first scaling, where it is cheap. The graph is rebuilt when a stream changes its size
or format in the middle, which a hostile one may do at every frame; the result keeps its size.
"""

import struct
from dataclasses import dataclass
from fractions import Fraction

from av.buffer import Buffer
from av.filter import Graph
from av.filter.context import FilterContext
from av.video.frame import VideoFrame

from media.ladder import RungPlan

#: AVColorSpace and AVColorRange numbers that are used here.
BT709, UNSPECIFIED, BT601 = 1, 2, 6

#: From this many lines on, video that does not say its matrix is BT.709; below it is BT.601.
HD_LINES = 720


@dataclass(frozen=True, slots=True)
class Orientation:
    """How a coded picture must be turned to be seen upright."""

    #: FFmpeg filters with their arguments, applied in this order.
    filters: tuple[tuple[str, str], ...] = ()
    swaps_sides: bool = False

    @classmethod
    def of(cls, frame: VideoFrame) -> "Orientation":
        """What the frame's display matrix asks for; upright where it has none or an odd one."""
        try:
            data = frame.side_data.get("DISPLAYMATRIX")
        except ValueError:
            # PyAV gives up on all side data where it meets a kind that it has no name for, EXIF for one.
            return cls.from_degrees(frame.rotation)
        return cls.from_matrix(bytes(data)) if isinstance(data, Buffer) else cls()

    @classmethod
    def from_degrees(cls, degrees: int) -> "Orientation":
        """A turn against the clock, as FFmpeg counts; mirrors are not known then."""
        match round(degrees / 90) % 4:
            case 1:
                return cls((("transpose", "cclock"),), swaps_sides=True)
            case 2:
                return cls((("hflip", ""), ("vflip", "")))
            case 3:
                return cls((("transpose", "clock"),), swaps_sides=True)
            case _:
                return cls()

    @classmethod
    def from_matrix(cls, raw: bytes) -> "Orientation":
        """Read the nine 32-bit numbers of a display matrix: only quarter turns and mirrors count."""
        if len(raw) < 36:
            return cls()
        a, b, _, c, d, *_ = struct.unpack("=9i", raw[:36])
        if abs(a) + abs(d) >= abs(b) + abs(c):
            mirrors = []
            if a < 0:
                mirrors.append(("hflip", ""))
            if d < 0:
                mirrors.append(("vflip", ""))
            return cls(tuple(mirrors))
        # x' = c*y and y' = b*x: a transposition, mirrored where a factor is negative.
        turn = {(True, True): "cclock_flip", (True, False): "clock", (False, True): "cclock"}
        return cls((("transpose", turn.get((b > 0, c > 0), "clock_flip")),), swaps_sides=True)


def shown_size(frame: VideoFrame, aspect: Fraction | None, turn: Orientation) -> tuple[int, int]:
    """Width and height of *frame* as a viewer sees it: square pixels, upright.

    *aspect* is the shape of a pixel; one outside 1:4 to 4:1 is a mistake and counts as square.
    """
    width, height = frame.width, frame.height
    if aspect and Fraction(1, 4) <= aspect <= 4:
        width = max(1, round(width * aspect))
    return (height, width) if turn.swaps_sides else (width, height)


class PictureScaler:
    """Scales frames of one clip to the sizes of *plans*, largest first."""

    def __init__(self, plans: tuple[RungPlan, ...], turn: Orientation) -> None:
        self._plans = plans
        self._turn = turn
        self._shape: tuple[object, ...] | None = None
        self._source: FilterContext | None = None
        self._sinks: list[FilterContext] = []
        # A filter context dies with its graph, so the graph is held even where nobody asks for it.
        self._graph: Graph | None = None

    def scale(self, frame: VideoFrame) -> list[VideoFrame]:
        """The picture in every size, `yuv420p`, BT.709, limited range, without side data."""
        colorspace = frame.colorspace
        if colorspace in (UNSPECIFIED, 0):
            colorspace = BT709 if min(frame.width, frame.height) >= HD_LINES else BT601
            frame.colorspace = colorspace
        shape = (frame.width, frame.height, frame.format.name, colorspace, frame.color_range)
        if shape != self._shape or self._source is None:
            self._build(frame)
            self._shape = shape
        assert self._source is not None
        self._source.push(frame)
        frames: list[VideoFrame] = []
        for sink in self._sinks:
            scaled = sink.pull()
            assert isinstance(scaled, VideoFrame)
            frames.append(scaled)
        return frames

    def _build(self, frame: VideoFrame) -> None:
        graph = Graph()
        # One thread: decoders and encoders already keep every core busy.
        graph.threads = 1
        source = graph.add(
            "buffer",
            video_size=f"{frame.width}x{frame.height}",
            pix_fmt=frame.format.name,
            time_base="1/90000",
            pixel_aspect="1/1",
            colorspace=str(int(frame.colorspace)),
            range=str(int(frame.color_range)),
        )
        first = self._plans[0]
        width, height = first.width, first.height
        if self._turn.swaps_sides:
            width, height = height, width
        # Tone mapping of HDR sources belongs here, before the first scaling loses its bits.
        chain = [
            graph.add(
                "scale", f"{width}:{height}:flags=bicubic:out_range=tv:out_color_matrix=bt709"
            ),
            graph.add("format", "yuv420p"),
        ]
        for name, args in self._turn.filters:
            chain.append(graph.add(name, args or None))
        tags = "color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
        chain += [
            graph.add("setsar", "1"),
            graph.add("setparams", tags),
            graph.add("sidedata", "mode=delete"),
        ]
        graph.link_nodes(source, *chain)
        self._sinks = []
        tail = chain[-1]
        for plan in self._plans[1:]:
            split = graph.add("split", "2")
            sink = graph.add("buffersink")
            smaller = graph.add("scale", f"{plan.width}:{plan.height}:flags=bicubic")
            square = graph.add("setsar", "1")
            tail.link_to(split)
            split.link_to(sink, 0, 0)
            split.link_to(smaller, 1, 0)
            smaller.link_to(square)
            self._sinks.append(sink)
            tail = square
        last = graph.add("buffersink")
        tail.link_to(last)
        self._sinks.append(last)
        graph.configure()
        self._graph, self._source = graph, source
