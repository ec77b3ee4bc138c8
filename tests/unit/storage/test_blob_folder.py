"""The folder below `FolderBlobs`: even, swept, and whole whatever happens."""

from __future__ import annotations

import pytest

from sharding.errors import StorageUnavailable
from storage.embedded import blob_folder
from storage.embedded.blobs import open_blobs
from storage.embedded.disk import InlineDisk, open_disk
from tests.contracts.clock import ManualClock


async def write(blobs, name, content_type="video/mp4"):
    writer = await blobs.create(name, max_bytes=10, content_type=content_type)
    await writer.write(b"data")
    await writer.commit()


async def test_half_written_blobs_of_a_killed_process_are_swept_at_the_start(tmp_path):
    blobs = await open_blobs(tmp_path, ManualClock(), InlineDisk())
    writer = await blobs.create("q/1", max_bytes=10, content_type="video/mp4")
    await writer.write(b"half")
    await write(blobs, "q/2")
    again = await open_blobs(tmp_path, ManualClock(), InlineDisk())
    assert not list((tmp_path / ".incoming").iterdir())
    assert await again.stat("q/2") is not None
    await writer.abort()


async def test_a_commit_that_fails_leaves_the_old_blob_and_no_trace(tmp_path, monkeypatch):
    blobs = await open_blobs(tmp_path, ManualClock(), InlineDisk())
    await write(blobs, "q/1.mp4")

    def full(path):
        raise OSError(28, "No space left on device")

    writer = await blobs.create("q/1.mp4", max_bytes=10, content_type="video/mp4")
    await writer.write(b"newer")
    monkeypatch.setattr(blob_folder, "sync", full)
    with pytest.raises(StorageUnavailable, match="full"):
        await writer.commit()
    stored = await blobs.stat("q/1.mp4")
    assert stored is not None
    assert stored.size_bytes == 4
    assert not list((tmp_path / ".incoming").iterdir())


async def test_videos_are_spread_over_folders_and_empty_ones_go(tmp_path):
    blobs = await open_blobs(tmp_path, ManualClock(), InlineDisk())
    for number in range(300):
        await write(blobs, f"v/{number}/1/a.mp4")
    folders = list((tmp_path / "v").iterdir())
    assert len(folders) > 100
    assert max(len(list(folder.iterdir())) for folder in folders) < 12
    assert await blobs.discard("v/") == 300
    assert not (tmp_path / "v").exists()


async def test_a_type_that_the_ending_tells_needs_no_file_of_its_own(tmp_path):
    blobs = await open_blobs(tmp_path, ManualClock(), InlineDisk())
    await write(blobs, "v/1/1/a.mp4")
    assert len([path for path in (tmp_path / "v").rglob("*") if path.is_file()]) == 1


async def test_a_folder_that_cannot_be_written_says_so(tmp_path):
    blobs = await open_blobs(tmp_path, ManualClock(), InlineDisk())
    await blobs.ping()
    (tmp_path / ".incoming").rmdir()
    with pytest.raises(StorageUnavailable):
        await blobs.ping()


async def test_a_disk_with_too_much_waiting_refuses():
    async with open_disk(1) as disk:
        disk._max_waiting = 0
        with pytest.raises(StorageUnavailable) as refused:
            await disk.run(lambda: None)
        assert refused.value.executed is False
