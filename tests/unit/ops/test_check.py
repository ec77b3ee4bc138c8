"""The check: every kind of fault is found, and repair touches nothing else."""

import pytest

from actors.media import EncodedMedia, Rung, avatar_name, media_prefix, source_name
from actors.rows import (
    CountsRow,
    CredentialRow,
    FollowRow,
    LikeRow,
    StampedRow,
    UserRow,
    VideoMediaRow,
    VideoRow,
)
from ops.check.faults import find_faults
from ops.check.opening import FolderShelf, NothingToCheck, open_for_reading
from ops.check.repair import repair
from ops.data_dir import DataDir
from storage.embedded import blob_folder
from storage.embedded.database import open_database
from storage.embedded.facts_writer import SqliteFactWriter
from storage.embedded.runners import InlineRunner

ANN, BOB, CLIP, LOST, DONE = 11, 12, 101, 102, 103
LATER_MS = 1 << 50


def user(user_id, **facts):
    return UserRow(
        user_id=user_id,
        username=f"u{user_id}",
        display_name="",
        bio="",
        avatar=facts.get("avatar"),
        created_ms=1,
        deleted=facts.get("deleted", False),
    )


def video(video_id, author_id=ANN, removed=False):
    return VideoRow(
        video_id=video_id,
        author_id=author_id,
        caption="",
        created_ms=1,
        size_bytes=10,
        content_type="video/mp4",
        sha256=None,
        metadata=None,
        removed=removed,
    )


def media(video_id, status="ready", generation=2):
    rung = Rung(
        name="360p",
        file="360.mp4",
        codecs="avc1,mp4a",
        width=360,
        height=640,
        fps=30,
        bitrate=1,
        size_bytes=5,
        init=(0, 1),
        index=(2, 3),
        start=(0, 4),
    )
    encoded = EncodedMedia(
        duration_s=1,
        width=360,
        height=640,
        thumbhash="",
        loudness_gain_db=0,
        cover="cover.jpg",
        preview="preview.jpg",
        hls="hls.m3u8",
        mp4="360.mp4",
        rungs=(rung,),
        total_bytes=20,
    )
    return VideoMediaRow(
        video_id=video_id,
        author_id=ANN,
        status=status,
        generation=generation,
        published_ms=5,
        media=encoded if status == "ready" else None,
    )


def put(folder, name, size=5):
    path = blob_folder.path_of(folder.blobs, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)


def put_media(folder, video_id, generation=2):
    for file in ("cover.jpg", "preview.jpg", "hls.m3u8", "360.mp4"):
        put(folder, media_prefix(video_id, generation) + file)


@pytest.fixture
def folder(tmp_path):
    folder = DataDir(tmp_path)
    folder.blobs.mkdir()
    return folder


async def write(folder, *rows):
    async with open_database(folder.database, InlineRunner()) as database:
        await SqliteFactWriter(database).write([StampedRow(row, 1) for row in rows])


async def check(folder, grace_ms=0):
    async with open_for_reading(folder) as stored:
        return await find_faults(
            stored.people, stored.videos, stored.blobs, now_ms=LATER_MS, grace_ms=grace_ms
        )


def healthy():
    return (
        user(ANN, avatar=avatar_name(ANN, 3)),
        user(BOB),
        CredentialRow(user_id=ANN, version=1, password_hash=""),
        video(CLIP),
        media(CLIP),
        LikeRow(user_id=BOB, video_id=CLIP, liked=True, at_ms=1),
        FollowRow(follower_id=BOB, followee_id=ANN, following=True, at_ms=1),
        CountsRow(entity_id=CLIP, likes=1, views=9),
        CountsRow(entity_id=ANN, followers=1, videos=1, likes_received=1),
        CountsRow(entity_id=BOB, following=1),
    )


async def test_what_fits_is_left_alone(folder):
    await write(folder, *healthy())
    put_media(folder, CLIP)
    put(folder, avatar_name(ANN, 3))
    assert await check(folder) == []


async def test_every_kind_of_fault_is_found(folder):
    rows = [row for row in healthy() if not isinstance(row, CountsRow)]
    await write(
        folder,
        *rows,
        CountsRow(entity_id=CLIP, likes=4),
        CountsRow(entity_id=ANN, followers=1, videos=1, likes_received=1),
        CountsRow(entity_id=BOB),
        video(LOST),
        media(LOST, status="processing"),
        video(DONE),
        media(DONE, status="failed"),
        FollowRow(follower_id=ANN, followee_id=999, following=False, at_ms=1),
    )
    put_media(folder, CLIP)
    put(folder, media_prefix(CLIP, 2) + "360.mp4", size=4)
    blob_folder.discard(folder.blobs, media_prefix(CLIP, 2) + "cover.jpg")
    put_media(folder, CLIP, generation=1)
    put(folder, media_prefix(555, 1) + "360.mp4")
    put(folder, source_name(DONE))
    put(folder, avatar_name(BOB, 1))
    put(folder, "strange")
    found = {(fault.kind, fault.entity_id) for fault in await check(folder)}
    assert found == {
        ("count_differs", CLIP),
        ("count_differs", BOB),
        ("avatar_missing", ANN),
        ("media_missing", CLIP),
        ("media_wrong_size", CLIP),
        ("upload_missing", LOST),
        ("orphan_media", CLIP),
        ("orphan_media", 555),
        ("orphan_upload", DONE),
        ("orphan_avatar", BOB),
        ("orphan_unknown", 0),
    }


async def test_what_is_young_may_still_be_on_its_way(folder):
    await write(folder, user(ANN), video(DONE), media(DONE, status="failed"))
    put(folder, source_name(DONE))
    assert await check(folder, grace_ms=LATER_MS) == []


async def test_repair_recounts_and_removes_litter_and_nothing_else(folder):
    awaited = CLIP * 100
    await write(
        folder,
        user(ANN),
        user(BOB),
        video(CLIP),
        media(CLIP),
        video(awaited),
        CountsRow(entity_id=BOB, videos=3),
    )
    put_media(folder, CLIP)
    put_media(folder, CLIP, generation=1)
    for litter in (DONE, DONE * 10, CLIP):
        put(folder, source_name(litter))
    put(folder, source_name(awaited))
    recounted = []

    class Node:
        async def recount(self, entity_id):
            recounted.append(entity_id)

    shelf = FolderShelf(folder.blobs)
    done = await repair(await check(folder), node=Node(), blobs=shelf)
    assert recounted == [ANN, BOB]
    names = [blob.name for blob in await shelf.list("", older_than_ms=1 << 62, limit=100)]
    assert {name for name in names if name.startswith("v/")} == {
        media_prefix(CLIP, 2) + file for file in ("360.mp4", "cover.jpg", "hls.m3u8", "preview.jpg")
    }
    assert {name for name in names if name.startswith("q")} == {source_name(awaited)}
    assert done.left == ()


async def test_a_folder_without_a_database_is_nothing_to_check(folder):
    with pytest.raises(NothingToCheck):
        async with open_for_reading(folder):
            pass
