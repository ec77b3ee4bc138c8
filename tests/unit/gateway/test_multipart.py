"""A form reads the same however it is cut, and a damaged one is refused, never misread."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.multipart import Field, FileData, FileEnd, FileStart, FormReader, boundary_of
from sharding.errors import InvalidRequest, KinoraError, TooLarge, UnsupportedMedia

B = b"bOuNdArY"


def form(*parts, end=b"--\r\n"):
    return b"".join(b"--" + B + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + B + end


def field(name, value):
    return b'Content-Disposition: form-data; name="%b"\r\n\r\n%b' % (name, value)


def file(data, name=b"file"):
    head = b'Content-Disposition: form-data; name="%b"; filename="a.mp4"\r\n' % name
    return head + b"Content-Type: video/mp4\r\n\r\n" + data


def read(pieces, max_fields=10, max_form_bytes=10_000):
    reader = FormReader(B, max_fields=max_fields, max_form_bytes=max_form_bytes)
    events = [event for piece in pieces for event in reader.feed(piece)]
    reader.close()
    joined: list[object] = []
    data = b""
    for event in events:
        if isinstance(event, FileData):
            data += event.data
        else:
            if isinstance(event, FileEnd):
                joined.append(data)
                data = b""
            joined.append(event)
    return joined


def cut(data, places):
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in itertools.pairwise(edges)]


@given(
    caption=st.text(max_size=30).map(lambda text: text.encode().replace(B, b"")),
    body=st.binary(max_size=300) | st.text("\r\n-bOuNdArY", max_size=80).map(str.encode),
    places=st.lists(st.integers(0, 10_000), max_size=30),
)
def test_however_it_is_cut_it_reads_the_same(caption, body, places):
    body = body.replace(b"\r\n--" + B, b"")
    caption = caption.replace(b"\r\n--" + B, b"")
    whole = form(field(b"caption", caption), file(body))
    expected = [
        Field("caption", caption.decode()),
        FileStart("file", "video/mp4"),
        body,
        FileEnd(),
    ]
    assert read(cut(whole, places)) == expected
    assert read([bytes([each]) for each in whole]) == expected


def test_an_empty_file_and_an_empty_field_are_there():
    assert read([form(field(b"caption", b""), file(b""))]) == [
        Field("caption", ""),
        FileStart("file", "video/mp4"),
        b"",
        FileEnd(),
    ]


def test_preamble_and_epilogue_are_passed_over():
    data = b"hello\r\n" + form(field(b"a", b"1")) + b"goodbye"
    assert read([data]) == [Field("a", "1")]


def test_no_more_than_a_delimiter_of_a_file_is_held_back():
    reader = FormReader(B, max_fields=2, max_form_bytes=1_000)
    list(reader.feed(b"--" + B + b"\r\n" + file(b"")))
    for _ in range(20):
        out = sum(
            len(event.data) for event in reader.feed(b"x" * 50_000) if isinstance(event, FileData)
        )
        assert out >= 50_000 - len(B) - 4
        assert len(reader._buffer) <= len(B) + 4


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"--" + B,
        form(field(b"a", b"1"))[:-6],
        form(b"no headers at all"),
        form(b"\r\n"),
        form(b"Content-Disposition: form-data\r\n\r\nx"),
        form(b'Content-Disposition: attachment; name="a"\r\n\r\nx'),
        form(b"broken\r\n\r\nx"),
        form(field(b"a", b"\xff")),
        form(
            b'Content-Transfer-Encoding: base64\r\nContent-Disposition: form-data; name="a"\r\n\r\nx'
        ),
        b"--" + B + b"garbage\r\n\r\n",
    ],
)
def test_what_is_no_form_is_refused(data):
    with pytest.raises(InvalidRequest):
        read([data])


@pytest.mark.parametrize(
    "data",
    [
        form(*[field(b"a", b"1")] * 11),
        form(field(b"a", b"x" * 20_000)),
        form(b"X: " + b"y" * 5_000 + b"\r\n\r\n"),
        b"x" * 20_000,
    ],
)
def test_what_is_too_much_is_refused_before_it_is_kept(data):
    with pytest.raises(TooLarge):
        read(cut(data, range(0, len(data), 1_000)))


@given(st.binary(max_size=400) | st.text('\r\n-bOuNdArY:;="name', max_size=200).map(str.encode))
def test_garbage_is_refused_with_a_typed_error(data):
    try:
        read([b"--" + B + b"\r\n", data])
    except KinoraError:
        pass


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('multipart/form-data; charset=utf-8; boundary="a b"', b"a b"),
        ("Multipart/Form-Data;boundary=abc", b"abc"),
    ],
)
def test_the_boundary_is_found(header, expected):
    assert boundary_of(header) == expected


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=" + "x" * 71,
    ],
)
def test_without_a_boundary_it_is_no_form(header):
    with pytest.raises(UnsupportedMedia):
        boundary_of(header)
