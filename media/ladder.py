"""Which sizes and frame rates a clip is encoded in; pure arithmetic, no media library.

The promise: a rung never has more pixels than its source and keeps its shape, sizes are even (4:2:0
needs it), and names are unique within a video. The ladder is short on purpose: 360p and 540p are what
every new clip gets at once; larger and newer-codec rungs are made when somebody watches
(`choose_ladder` is where a demand ladder will add them).
"""

from dataclasses import dataclass
from fractions import Fraction

#: Short sides of the rungs that every clip gets, in pixels; the first is the one playback starts with.
SHORT_SIDES = (540, 360)

#: A rung is only worth its bytes when the next larger one is at least this much larger.
MIN_STEP = 1.15

#: Long side over short side beyond which the long side decides the scale. 21:9 phones record 2.33;
#: beyond that a picture would pass the H.264 level of its rung.
MAX_ASPECT = 2.4

#: The smallest side x264 and phone decoders are sure to take, in pixels.
MIN_SIDE = 16

#: Most frames a second in these rungs; a 60 fps source is halved.
MAX_FPS = Fraction(30)

#: Frame rates that cameras and editors mean when timestamps say "nearly".
STANDARD_RATES = (
    Fraction(10),
    Fraction(12),
    Fraction(15000, 1001),
    Fraction(15),
    Fraction(20),
    Fraction(24000, 1001),
    Fraction(24),
    Fraction(25),
    Fraction(30000, 1001),
    Fraction(30),
)

#: How far, as a share, a measured rate may lie from a standard one and still mean it.
RATE_TOLERANCE = 0.015


@dataclass(frozen=True, slots=True, kw_only=True)
class RungPlan:
    """One size to encode: what the encoder is told, before anything is known of the result."""

    name: str
    width: int
    height: int
    #: x264 constant rate factor; the cap below bounds what it may spend.
    crf: int
    #: Cap of the video track in bits per second, over `buffer_bits` of leaky bucket.
    max_bitrate: int
    buffer_bits: int
    profile: str

    @property
    def file(self) -> str:
        """File name of the rung below the video's media prefix."""
        return f"{self.name}.mp4"


def choose_ladder(width: int, height: int) -> tuple[RungPlan, ...]:
    """The rungs of a picture shown as *width* x *height* pixels, start rung first.

    A picture smaller than the smallest rung still gets one, at its own size.
    """
    short = min(width, height)
    sides: list[int] = []
    for side in SHORT_SIDES:
        side = min(side, short)
        if not sides or sides[-1] >= side * MIN_STEP:
            sides.append(side)
    return tuple(_plan(side, width, height) for side in sides)


def fit(width: int, height: int, short_side: int) -> tuple[int, int]:
    """Even sizes of *width* x *height* scaled so that its short side is *short_side* at most."""
    short, long = min(width, height), max(width, height)
    scale = min(1.0, short_side / short, short_side * MAX_ASPECT / long)
    return _even(width * scale), _even(height * scale)


def choose_fps(average: Fraction | None) -> Fraction:
    """The constant frame rate for a source of *average* frames a second (None: unknown).

    A standard rate is kept, a high one is halved until it fits; anything else becomes 30, because an
    odd average usually means a camera that ticks at 30 and skips, and repeated frames cost next to nothing.
    """
    if average is None or average <= 0:
        return MAX_FPS
    while average > MAX_FPS * Fraction(1 + Fraction(2, 100)):
        average /= 2
    nearest = min(STANDARD_RATES, key=lambda rate: abs(rate - average))
    return nearest if abs(nearest - average) <= nearest * RATE_TOLERANCE else MAX_FPS


def keyframe_slots(frames: int, fps: Fraction) -> frozenset[int]:
    """Frame numbers that start a fragment: at 0, 1, 2 and then every second second.

    The same for all rungs of a clip, so a player may change rung at any of them; the two short ones
    first, so that little must arrive before playback starts.
    """
    slots = {0, round(fps)}
    second = 2
    while (slot := round(second * fps)) < frames:
        slots.add(slot)
        second += 2
    return frozenset(slot for slot in slots if slot < frames)


def _plan(side: int, width: int, height: int) -> RungPlan:
    rung_width, rung_height = fit(width, height, side)
    large = side > 400
    # Caps for phones on mobile networks, scaled by area so that a square or small picture gets less.
    reference = (540 * 960, 1_300_000) if large else (360 * 640, 500_000)
    share = rung_width * rung_height / reference[0]
    cap = max(150_000, int(reference[1] * min(1.35, share)))
    return RungPlan(
        name=str(side),
        width=rung_width,
        height=rung_height,
        crf=24,
        max_bitrate=cap,
        # Three quarters of a second: what the first key frame may take at most, and with it the wait
        # for a first picture.
        buffer_bits=cap * 3 // 4,
        profile="high" if large else "main",
    )


def _even(size: float) -> int:
    return max(MIN_SIDE, 2 * round(size / 2))
