"""Time made regular: frames onto a constant grid, samples onto one unbroken line.

Phones record with a variable frame rate, start their tracks at odd times and lose audio for a moment.
Players and rung switching want none of it. Both classes are pure: they say what goes where, and never
hold more than one frame or one block.
"""

from fractions import Fraction

import numpy as np
import numpy.typing as npt

#: Samples a second of every audio track made here.
SAMPLE_RATE = 48_000

#: Samples in one AAC-LC frame.
BLOCK = 1024

#: How far, in samples, sound may lie from its timestamp before it is moved: 20 ms. Timestamps of good
#: files jitter by a few samples, and moving those would click.
TOLERANCE = SAMPLE_RATE // 50

Samples = npt.NDArray[np.float32]


class FrameGrid:
    """Decides how often each source frame is shown on a grid of *total* frames at *fps*."""

    def __init__(self, fps: Fraction, total: int) -> None:
        self._fps = fps
        self._total = total
        self._next = 0

    def __repr__(self) -> str:
        return f"<FrameGrid({self._next} of {self._total} at {self._fps})>"

    def slots_before(self, time_s: Fraction) -> range:
        """Slots that the frame before the one at *time_s* (seconds from the first) still has to fill.

        Empty when the newer frame takes its place: that is how a 60 fps source becomes 30.
        """
        due = min(self._total, int(time_s * self._fps + Fraction(1, 2)))
        slots = range(self._next, max(self._next, due))
        self._next = slots.stop
        return slots

    def rest(self) -> range:
        """The slots that the last frame fills."""
        slots = range(self._next, self._total)
        self._next = self._total
        return slots


class SoundLine:
    """Lays stereo sound on a line of *total* samples from time 0 and cuts it into AAC-sized blocks.

    Gaps become silence, what lies before 0, overlaps or passes the end is dropped, and `finish` fills up
    to the end. The last block is filled with silence.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        #: Samples placed so far.
        self._placed = 0
        self._pending: list[Samples] = []
        self._pending_size = 0

    def add(self, at: int, samples: Samples) -> list[Samples]:
        """Place *samples* (2, n) where they begin, *at* samples from 0; return the blocks that are full."""
        drift = at - self._placed
        if drift > TOLERANCE:
            self._append(np.zeros((2, min(drift, self._total - self._placed)), np.float32))
        elif drift < -TOLERANCE:
            samples = samples[:, -drift:]
        self._append(samples[:, : self._total - self._placed])
        return self._blocks(BLOCK)

    def finish(self) -> list[Samples]:
        """The remaining blocks, after silence up to the end."""
        missing = -(-self._total // BLOCK) * BLOCK - self._placed
        self._append(np.zeros((2, missing), np.float32))
        return self._blocks(BLOCK)

    def _append(self, samples: Samples) -> None:
        if samples.shape[1]:
            self._pending.append(samples)
            self._pending_size += samples.shape[1]
            self._placed += samples.shape[1]

    def _blocks(self, size: int) -> list[Samples]:
        if self._pending_size < size:
            return []
        line = np.concatenate(self._pending, axis=1)
        whole = line.shape[1] // size * size
        self._pending = [line[:, whole:]] if whole < line.shape[1] else []
        self._pending_size = line.shape[1] - whole
        return [line[:, start : start + size] for start in range(0, whole, size)]
