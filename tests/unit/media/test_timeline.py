"""Whatever times come in, the grid is full and the line is unbroken."""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from media.timeline import BLOCK, FrameGrid, SoundLine


def shown(times, fps, total):
    """Which frame is shown in each slot."""
    grid, slots = FrameGrid(Fraction(fps), total), {}
    for number, time in enumerate(times[1:]):
        slots.update(dict.fromkeys(grid.slots_before(Fraction(time)), number))
    slots.update(dict.fromkeys(grid.rest(), len(times) - 1))
    return [slots[slot] for slot in range(total)]


def test_a_steady_source_is_shown_frame_by_frame():
    assert shown([Fraction(n, 30) for n in range(5)], 30, 5) == [0, 1, 2, 3, 4]


def test_every_second_frame_of_a_fast_source_is_dropped():
    assert len(set(shown([Fraction(n, 60) for n in range(10)], 30, 5))) == 5


def test_a_gap_is_filled_with_the_frame_before_it():
    assert shown([0, Fraction(4, 10), Fraction(5, 10)], 10, 7) == [0, 0, 0, 0, 1, 2, 2]


def test_a_first_frame_that_is_late_fills_the_start():
    assert shown([Fraction(3, 10), Fraction(4, 10)], 10, 6) == [0, 0, 0, 0, 1, 1]


@given(st.lists(st.fractions(0, 3), min_size=1, max_size=40), st.integers(1, 60))
def test_every_slot_is_filled_once_and_in_order(times, total):
    order = shown(sorted(times), 20, total)
    assert len(order) == total
    assert order == sorted(order)


def line(total, pieces):
    sound, blocks = SoundLine(total), []
    for at, size, value in pieces:
        blocks += sound.add(at, np.full((2, size), value, np.float32))
    blocks += sound.finish()
    assert all(block.shape == (2, BLOCK) for block in blocks)
    return np.concatenate(blocks, axis=1)[0]


def test_sound_that_starts_late_is_preceded_by_silence():
    samples = line(8000, [(4800, 3000, 1)])
    assert np.flatnonzero(samples)[0] == 4800
    assert np.count_nonzero(samples) == 3000


def test_sound_before_the_start_is_cut_away():
    samples = line(5000, [(-2000, 3000, 1)])
    assert np.count_nonzero(samples) == 1000
    assert samples[0] == 1


def test_a_jitter_of_a_few_samples_does_not_move_sound():
    samples = line(4096, [(0, 1000, 1), (1003, 1000, 2), (1998, 1000, 3)])
    assert np.count_nonzero(samples) == 3000
    assert samples[1000] == 2


def test_sound_that_is_said_twice_is_heard_once():
    samples = line(4096, [(0, 2000, 1), (0, 2000, 2)])
    assert np.count_nonzero(samples == 1) == 2000
    assert np.count_nonzero(samples == 2) == 0


pieces = st.lists(
    st.tuples(st.integers(-(10**9), 10**9), st.integers(0, 5000), st.just(1.0)), max_size=20
)


@given(st.integers(1, 20_000), pieces)
def test_the_line_is_always_as_long_as_it_was_said_to_be(total, pieces):
    assert len(line(total, pieces)) == -(-total // BLOCK) * BLOCK
