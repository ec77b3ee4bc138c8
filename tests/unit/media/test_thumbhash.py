"""The hash is the one the format's author defined: checked against his loops, written out plainly."""

from math import ceil, cos, floor, pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.thumbhash import encode, encode_text


def by_the_book(w, h, rgba):
    """The published algorithm, loop by loop."""

    def js_round(x):
        return floor(x + 0.5)

    avg_r = avg_g = avg_b = avg_a = 0.0
    for i in range(w * h):
        alpha = rgba[i * 4 + 3] / 255
        avg_r += alpha / 255 * rgba[i * 4]
        avg_g += alpha / 255 * rgba[i * 4 + 1]
        avg_b += alpha / 255 * rgba[i * 4 + 2]
        avg_a += alpha
    if avg_a:
        avg_r, avg_g, avg_b = avg_r / avg_a, avg_g / avg_a, avg_b / avg_a
    has_alpha = avg_a < w * h
    limit = 5 if has_alpha else 7
    lx = max(1, js_round(limit * w / max(w, h)))
    ly = max(1, js_round(limit * h / max(w, h)))
    l_, p_, q_, a_ = [], [], [], []
    for i in range(w * h):
        alpha = rgba[i * 4 + 3] / 255
        r = avg_r * (1 - alpha) + alpha / 255 * rgba[i * 4]
        g = avg_g * (1 - alpha) + alpha / 255 * rgba[i * 4 + 1]
        b = avg_b * (1 - alpha) + alpha / 255 * rgba[i * 4 + 2]
        l_.append((r + g + b) / 3)
        p_.append((r + g) / 2 - b)
        q_.append(r - g)
        a_.append(alpha)

    def channel(values, nx, ny):
        dc, ac, scale = 0.0, [], 0.0
        for cy in range(ny):
            cx = 0
            while cx * ny < nx * (ny - cy):
                fx = [cos(pi / w * cx * (x + 0.5)) for x in range(w)]
                f = sum(
                    values[x + y * w] * fx[x] * cos(pi / h * cy * (y + 0.5))
                    for y in range(h)
                    for x in range(w)
                ) / (w * h)
                if cx or cy:
                    ac.append(f)
                    scale = max(scale, abs(f))
                else:
                    dc = f
                cx += 1
        if scale:
            ac = [0.5 + 0.5 / scale * f for f in ac]
        return dc, ac, scale

    l_dc, l_ac, l_scale = channel(l_, max(3, lx), max(3, ly))
    p_dc, p_ac, p_scale = channel(p_, 3, 3)
    q_dc, q_ac, q_scale = channel(q_, 3, 3)
    landscape = w > h
    header24 = (
        js_round(63 * l_dc)
        | (js_round(31.5 + 31.5 * p_dc) << 6)
        | (js_round(31.5 + 31.5 * q_dc) << 12)
        | (js_round(31 * l_scale) << 18)
        | (has_alpha << 23)
    )
    header16 = (
        (ly if landscape else lx)
        | (js_round(63 * p_scale) << 3)
        | (js_round(63 * q_scale) << 9)
        | (landscape << 15)
    )
    out = [header24 & 255, (header24 >> 8) & 255, header24 >> 16, header16 & 255, header16 >> 8]
    acs = [l_ac, p_ac, q_ac]
    if has_alpha:
        a_dc, a_ac, a_scale = channel(a_, 5, 5)
        out.append(js_round(15 * a_dc) | (js_round(15 * a_scale) << 4))
        acs.append(a_ac)
    start, index = len(out), 0
    for ac in acs:
        for f in ac:
            at = start + (index >> 1)
            if at == len(out):
                out.append(0)
            out[at] |= js_round(15 * f) << ((index & 1) << 2)
            index += 1
    return bytes(out)


def nearly(one: bytes, other: bytes) -> bool:
    """Equal but for single steps, where a sum in another order falls on the other side of a half."""
    return len(one) == len(other) and all(
        abs((a & 15) - (b & 15)) <= 1 and abs((a >> 4) - (b >> 4)) <= 1
        for a, b in zip(one[5:], other[5:], strict=True)
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 14), st.integers(1, 14), st.integers(0, 2**32 - 1), st.booleans())
def test_the_hash_is_the_published_algorithms(width, height, seed, transparent):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 4), dtype=np.uint8)
    if not transparent:
        pixels[..., 3] = 255
    expected = by_the_book(width, height, pixels.flatten().tolist())
    got = encode(pixels)
    assert got[:5] == expected[:5]
    assert nearly(got, expected)


def test_a_plain_colour_says_its_colour():
    red = np.zeros((40, 20, 4), np.uint8)
    red[...] = (255, 0, 0, 255)
    head = int.from_bytes(encode(red)[:3], "little")
    assert head & 63 == 21  # a third as bright as white
    assert (head >> 12) & 63 == 63  # as red as can be


def test_the_text_is_base64_without_padding():
    text = encode_text(np.full((10, 10, 4), 255, np.uint8))
    assert "=" not in text
    assert 15 <= len(text) <= 40


@pytest.mark.parametrize("shape", [(0, 5, 4), (101, 5, 4), (5, 5, 3), (5, 5)])
def test_a_picture_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match="shape"):
        encode(np.zeros(shape, np.uint8))


def test_ceil_division_keeps_the_triangle_of_the_format():
    """The loop `while cx * ny < nx * (ny - cy)` and the closed form agree for every size there is."""
    for nx in range(1, 8):
        for ny in range(1, 8):
            for cy in range(ny):
                counted = sum(1 for cx in range(nx) if cx * ny < nx * (ny - cy))
                assert counted == ceil(nx * (ny - cy) / ny)
