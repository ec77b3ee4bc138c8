"""What every blob store promises: to the domain, to the media workers, to the gateway."""

from __future__ import annotations

import pytest

from sharding.errors import InvalidRequest, NotFound, TooLarge

MP4 = "video/mp4"


async def write(blobs, name, data=b"data", content_type=MP4):
    writer = await blobs.create(name, max_bytes=1_000_000, content_type=content_type)
    await writer.write(data)
    await writer.commit()


async def read(blobs, name, first=0, length=1_000_000):
    reader = await blobs.open_read(name)
    try:
        return b"".join([piece async for piece in reader.chunks(first, length)])
    finally:
        await reader.close()


@pytest.mark.parametrize("name", ["quarantine/123", "v/123/1/360p.mp4", "a/9/2.jpg", "single"])
async def test_a_blob_is_known_by_name_size_type_and_time(blobs, store_clock, name):
    before_ms = store_clock.unix_ms()
    await write(blobs, name, b"12345", content_type="video/quicktime")
    stored = await blobs.stat(name)
    assert (stored.name, stored.size_bytes) == (name, 5)
    assert stored.content_type == "video/quicktime"
    # A store may date by the second.
    assert before_ms - 1000 < stored.stored_ms <= store_clock.unix_ms()
    assert await read(blobs, name) == b"12345"


async def test_there_is_nothing_under_other_names(blobs):
    await write(blobs, "v/1/1/a.mp4")
    for name in ("v/1/1/b.mp4", "v/1/1", "v/1", "v", "v/1/1/a.mp4/x", "v/2/1/a.mp4"):
        assert await blobs.stat(name) is None
        assert await blobs.open_read(name) is None


async def test_a_name_may_also_be_the_start_of_others(blobs):
    await write(blobs, "v/1", b"file")
    await write(blobs, "v/1/2", b"below")
    assert await read(blobs, "v/1") == b"file"
    assert await read(blobs, "v/1/2") == b"below"


async def test_nothing_is_readable_before_its_commit(blobs):
    writer = await blobs.create("q/1", max_bytes=10, content_type=MP4)
    await writer.write(b"12345")
    assert await blobs.stat("q/1") is None
    assert await blobs.discard("") == 0
    await writer.commit()
    assert (await blobs.stat("q/1")).size_bytes == 5


async def test_an_aborted_blob_never_was(blobs, tmp_path):
    writer = await blobs.create("q/1", max_bytes=10, content_type=MP4)
    await writer.write(b"12345")
    await writer.abort()
    await writer.abort()
    assert await blobs.stat("q/1") is None
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


async def test_aborting_after_the_commit_is_harmless(blobs):
    writer = await blobs.create("q/1", max_bytes=10, content_type=MP4)
    await writer.commit()
    await writer.abort()
    assert (await blobs.stat("q/1")).size_bytes == 0


async def test_a_writer_takes_no_byte_more_than_allowed(blobs):
    writer = await blobs.create("q/1", max_bytes=4, content_type=MP4)
    await writer.write(b"123")
    with pytest.raises(TooLarge):
        await writer.write(b"45")
    await writer.write(b"4")
    await writer.commit()
    assert await read(blobs, "q/1") == b"1234"


async def test_a_blob_may_get_its_name_at_the_end(blobs):
    writer = await blobs.create("q/pending", max_bytes=4, content_type=MP4)
    await writer.commit("q/1")
    assert await blobs.stat("q/pending") is None
    assert await blobs.stat("q/1") is not None


async def test_a_blob_is_replaced_whole_and_who_reads_the_old_one_keeps_it(blobs):
    await write(blobs, "q/1.mp4", b"old", content_type="video/quicktime")
    reader = await blobs.open_read("q/1.mp4")
    await write(blobs, "q/1.mp4", b"newer")
    assert (await blobs.stat("q/1.mp4")).content_type == MP4
    assert [piece async for piece in reader.chunks(0, 99)] == [b"old"]
    await reader.close()
    await reader.close()
    assert await read(blobs, "q/1.mp4") == b"newer"


async def test_a_reader_survives_the_removal_of_its_blob(blobs):
    await write(blobs, "q/1", b"data")
    reader = await blobs.open_read("q/1")
    await blobs.discard("q/1")
    assert reader.size_bytes == 4
    assert [piece async for piece in reader.chunks(1, 2)] == [b"at"]
    await reader.close()


@pytest.mark.parametrize(("first", "length"), [(0, 1), (5, 300_000), (599_999, 1), (599_990, 99)])
async def test_a_range_is_read_exactly(blobs, first, length):
    data = bytes(range(256)) * 2400
    await write(blobs, "q/1", data[:600_000])
    assert await read(blobs, "q/1", first, length) == data[:600_000][first : first + length]


async def test_a_discarded_prefix_takes_all_below_it_and_nothing_beside(blobs):
    kept = ["v/1/2/a.mp4", "v/11/1/a.mp4", "v/2/1/a.mp4", "quarantine/1"]
    for name in ("v/1/1/a.mp4", "v/1/1/b.jpg", "v/1/1/deep/c.mp4", *kept):
        await write(blobs, name)
    assert await blobs.discard("v/1/1/") == 3
    assert await blobs.discard("v/1/1/") == 0
    for name in kept:
        assert await blobs.stat(name) is not None


@pytest.mark.parametrize(
    ("prefix", "count"), [("", 5), ("v", 4), ("v/", 4), ("v/1", 3), ("v/1/1/a", 1), ("x", 0)]
)
async def test_a_prefix_is_a_start_of_the_name_wherever_it_ends(blobs, prefix, count):
    for name in ("v/1/1/a.mp4", "v/1/1/b.mp4", "v/12/1/a.mp4", "v/2/1/a.mp4", "q"):
        await write(blobs, name, content_type="video/quicktime")
    assert await blobs.discard(prefix) == count


async def test_a_sweeper_lists_what_is_old(blobs, clock):
    await write(blobs, "quarantine/1")
    clock.advance(60)
    await write(blobs, "quarantine/2")
    await write(blobs, "v/1/1/a.mp4")
    stored_ms = {
        name: (await blobs.stat(name)).stored_ms for name in ("quarantine/1", "quarantine/2")
    }
    for before_ms in {each + later for each in stored_ms.values() for later in (0, 1)}:
        old = await blobs.list("quarantine/", older_than_ms=before_ms, limit=9)
        assert {blob.name: blob.stored_ms for blob in old} == {
            name: each for name, each in stored_ms.items() if each < before_ms
        }
    end_ms = stored_ms["quarantine/2"] + 60_000
    assert len(await blobs.list("", older_than_ms=end_ms, limit=2)) == 2


async def test_what_is_listed_first_hides_nothing_from_a_sweeper(blobs, store_clock):
    for number in range(5):
        await write(blobs, f"quarantine/{number}/clip")
    end_ms = store_clock.unix_ms() + 60_000
    first = await blobs.list("quarantine/", older_than_ms=end_ms, limit=2)
    assert len(first) == 2
    for blob in first:
        await blobs.discard(blob.name)
    rest = await blobs.list("quarantine/", older_than_ms=end_ms, limit=9)
    assert {blob.name for blob in (*first, *rest)} == {
        f"quarantine/{number}/clip" for number in range(5)
    }


async def test_a_worker_fetches_and_puts_whole_files(blobs, tmp_path):
    await write(blobs, "quarantine/1", b"12345")
    path = tmp_path / "fetched"
    assert await blobs.fetch("quarantine/1", path, max_bytes=5) == 5
    assert path.read_bytes() == b"12345"
    await blobs.put("v/1/1/a.mp4", path, content_type=MP4)
    await blobs.put("v/1/1/a.mp4", path, content_type=MP4)
    assert await read(blobs, "v/1/1/a.mp4") == b"12345"
    assert path.exists()


async def test_what_is_absent_or_too_large_is_not_fetched(blobs, tmp_path):
    await write(blobs, "quarantine/1", b"12345")
    with pytest.raises(NotFound):
        await blobs.fetch("quarantine/2", tmp_path / "x", max_bytes=5)
    with pytest.raises(TooLarge):
        await blobs.fetch("quarantine/1", tmp_path / "x", max_bytes=4)


@pytest.mark.parametrize(
    "name",
    ["", "/", "a/", "/a", "a//b", "..", "a/../b", "a/..", "a/.hidden", ".incoming/x", "a b", "a~",
     "a\\b", "a/b\x00", "ä", "x" * 600, "a/" + "x" * 200, "a\n"],
)  # fmt: skip
async def test_a_name_that_could_lead_elsewhere_is_refused(blobs, tmp_path, name):
    with pytest.raises(InvalidRequest):
        await blobs.create(name, max_bytes=1, content_type=MP4)
    with pytest.raises(InvalidRequest):
        await blobs.stat(name)
    with pytest.raises(InvalidRequest):
        await blobs.open_read(name)
    with pytest.raises(InvalidRequest):
        await blobs.fetch(name, tmp_path / "x", max_bytes=1)


@pytest.mark.parametrize("prefix", ["../", "v/../", "v/~", "*"])
async def test_a_prefix_that_could_lead_elsewhere_is_refused(blobs, prefix):
    with pytest.raises(InvalidRequest):
        await blobs.discard(prefix)
