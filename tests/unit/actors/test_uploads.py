"""An upload: announced, stored, encoded once, and on its followers' screens when it plays."""

from __future__ import annotations

import pytest

from actors.events import EncodingEnded
from actors.media import MediaFailure, MediaLimits, source_name
from actors.messages import (
    CompleteUpload,
    CreateUpload,
    DeleteVideo,
    EditVideo,
    FollowUser,
    GetUpload,
    GetUploadLimits,
    GetVideo,
    ListUploads,
)
from sharding.errors import (
    Forbidden,
    InvalidCursor,
    NotFound,
    NotUploaded,
    RateLimited,
    TooLarge,
    Unprocessable,
    UnsupportedMedia,
)
from tests.unit.actors.stage import encoded, ids, open_stage


@pytest.fixture
async def ann(stage):
    return await stage.person("ann")


def create(**more):
    return CreateUpload(**{"caption": "hi", "size_bytes": 100, "content_type": "video/mp4", **more})


async def status(person, video_id):
    return (await person.ask(GetUpload(video_id=video_id))).status


async def test_an_upload_goes_through_its_states(stage, ann):
    ticket = await ann.ask(create())
    assert (ticket.status, ticket.method) == ("awaiting_upload", "POST")
    assert ticket.source == source_name(ticket.video_id)
    video = ticket.video_id
    assert await status(ann, video) == "awaiting_upload"
    await ann.ask(CompleteUpload(video_id=video, stored_bytes=100))
    assert await status(ann, video) == "uploaded"
    await stage.calm()
    claim = await stage.jobs.claim("worker")
    assert (claim.job.video_id, claim.job.author_id, claim.job.generation) == (video, ann.id, 1)
    await stage.calm()
    assert await status(ann, video) == "processing"
    await stage.jobs.heartbeat(claim, 0.5)
    await stage.calm()
    assert (await ann.ask(GetUpload(video_id=video))).progress == 0.5
    await stage.jobs.finish(claim, encoded())
    await stage.calm()
    ended = await ann.ask(GetUpload(video_id=video))
    assert (ended.status, ended.progress, ended.rungs) == ("ready", 1.0, ("360p", "720p"))
    assert source_name(video) not in stage.blobs.stored


async def test_progress_never_falls(stage, ann):
    await ann.attach("c1")
    video = await ann.upload()
    await stage.calm()
    claim = await stage.jobs.claim("worker")
    await stage.calm(1)
    for progress in (0.25, 0.5, 0.4, 0.75):
        await stage.jobs.heartbeat(claim, progress)
        await stage.calm(1)
    shown = [each["data"]["progress"] for each in ann.events("c1")]
    assert shown == [0.25, 0.5, 0.75]
    assert not any("seq" in each for each in ann.events("c1"))
    assert (await ann.ask(GetUpload(video_id=video))).progress == 0.75


async def test_a_clip_that_cannot_be_encoded_has_failed_for_good(stage, ann):
    await ann.attach("c1")
    video = await ann.upload()
    failure = MediaFailure(code="too_long", title="It is too long.")
    await stage.runtime.tell(video, EncodingEnded(generation=1, outcome=failure))
    await stage.calm()
    ticket = await ann.ask(GetUpload(video_id=video))
    assert (ticket.status, ticket.error_code) == ("failed", "too_long")
    assert [each["type"] for each in ann.events("c1")] == ["video.failed"]
    assert ann.events("c1")[0]["data"]["error"]["code"] == "too_long"
    await ann.encoded(video)
    assert await status(ann, video) == "failed"
    assert f"v/{video}/1/" in stage.blobs.discarded


async def test_an_outcome_of_another_attempt_is_swept(stage, ann):
    video = await ann.upload()
    await ann.encoded(video, generation=2)
    await stage.calm()
    assert await status(ann, video) == "uploaded"
    assert stage.blobs.discarded == [f"v/{video}/2/"]


async def test_an_outcome_that_is_told_twice_is_taken_once(stage, ann):
    video = await ann.publish()
    await ann.encoded(video)
    await stage.calm()
    assert f"v/{video}/1/" not in stage.blobs.discarded
    assert (await ann.profile())["counts"]["videos"] == 1


async def test_a_video_is_seen_by_nobody_before_it_plays(stage, ann):
    ben = await stage.person("ben")
    video = await ann.upload()
    for person in (ann, ben):
        with pytest.raises(NotFound):
            await person.ask(GetVideo(video_id=video))
    assert (await ben.feed())["items"] == []
    with pytest.raises(NotFound):
        await ben.ask(GetUpload(video_id=video))


async def test_a_ready_video_reaches_its_author_its_followers_and_everyone(stage, ann):
    ben, cleo = await stage.person("ben"), await stage.person("cleo")
    await ben.ask(FollowUser(user_id=ann.id, following=True))
    assert (await ben.following())["items"] == []
    await stage.calm()
    await ann.attach("a")
    await ben.attach("b")
    video = await ann.publish()
    await stage.calm()
    assert ids(await ben.following()) == [video]
    assert ids(await cleo.feed()) == [video]
    assert [each["type"] for each in ann.events("a")] == ["video.ready"]
    assert [each["type"] for each in ben.events("b")] == ["feed.new"]
    assert (await ann.profile())["counts"]["videos"] == 1


async def test_completing_before_anything_has_arrived_is_refused(ann):
    video = (await ann.ask(create())).video_id
    with pytest.raises(NotUploaded):
        await ann.ask(CompleteUpload(video_id=video, stored_bytes=None))
    assert await status(ann, video) == "awaiting_upload"


async def test_completing_twice_makes_one_job(stage, ann):
    video = await ann.upload()
    again = await ann.read(CompleteUpload(video_id=video, stored_bytes=100))
    assert again == {"video_id": str(video), "status": "uploaded"}
    await stage.calm()
    assert await stage.jobs.claim("worker")
    assert await stage.jobs.claim("worker") is None


async def test_a_stored_clip_that_nobody_completed_is_found(stage, ann):
    video = (await ann.ask(create())).video_id
    stage.blobs.put(source_name(video), stored_ms=stage.clock.unix_ms())
    await stage.node.sweep()
    assert await status(ann, video) == "awaiting_upload"
    await stage.calm(6)
    await stage.node.sweep()
    assert await status(ann, video) == "uploaded"


async def test_a_job_that_the_queue_has_lost_is_handed_in_again(stage, ann):
    video = await ann.upload()
    stage.blobs.put(source_name(video), stored_ms=stage.clock.unix_ms())
    await stage.calm()
    await stage.database.write(lambda connection: connection.execute("DELETE FROM jobs"))
    await stage.node.sweep()
    await stage.calm()
    # It may only be slow.
    assert await stage.jobs.claim("worker") is None
    await stage.calm(121)
    await stage.node.sweep()
    await stage.calm()
    claim = await stage.jobs.claim("worker")
    assert (claim.job.video_id, claim.job.generation) == (video, 1)
    await stage.node.sweep()
    await stage.calm()
    # A queue that knows it does nothing.
    assert await stage.jobs.claim("worker") is None


async def test_nobody_completes_the_upload_of_someone_else(stage, ann):
    video = (await ann.ask(create())).video_id
    ben = await stage.person("ben")
    with pytest.raises(NotFound):
        await ben.ask(CompleteUpload(video_id=video, stored_bytes=100))


@pytest.mark.parametrize(
    ("wish", "refusal"),
    [
        ({"size_bytes": MediaLimits().max_bytes + 1}, TooLarge),
        ({"size_bytes": 0}, Unprocessable),
        ({"content_type": "image/png"}, UnsupportedMedia),
    ],
)
async def test_what_could_never_be_accepted_is_refused_at_once(ann, wish, refusal):
    with pytest.raises(refusal):
        await ann.ask(create(**wish))
    assert (await ann.ask(ListUploads())).items == ()


async def test_uploads_of_a_day_are_counted_exactly():
    async with open_stage(limits={"uploads_a_day": 3}) as stage:
        ann = await stage.person("ann")
        assert (await ann.read(GetUploadLimits()))["remaining_today"] == 3
        for _ in range(3):
            await ann.ask(create())
        assert (await ann.read(GetUploadLimits()))["remaining_today"] == 0
        with pytest.raises(RateLimited):
            await ann.ask(create())
        stage.clock.pass_ms(86_400_001)
        await ann.ask(create())


async def test_uploads_that_come_all_at_once_do_not_pass_the_limit():
    async with open_stage(limits={"uploads_a_day": 3}) as stage:
        ann = await stage.person("ann")
        asking = [ann.start(create()) for _ in range(10)]
        await stage.calm()
        refused = [each for each in asking if isinstance(each.exception(), RateLimited)]
        assert len(refused) == 7


async def test_a_repeat_under_the_same_key_is_the_same_upload(ann):
    first = await ann.ask(create(), key=b"k")
    assert await ann.ask(create(), key=b"k") == first
    assert len((await ann.ask(ListUploads())).items) == 1


async def test_uploads_are_listed_newest_first_without_those_that_play(stage, ann):
    videos = [(await ann.ask(create())).video_id for _ in range(4)]
    playing = await ann.publish()
    page = await ann.ask(ListUploads(limit=3))
    rest = await ann.ask(ListUploads(limit=3, cursor=page.next_cursor))
    assert [each.video_id for each in (*page.items, *rest.items)] == videos[::-1]
    assert rest.next_cursor is None
    assert playing not in videos
    ben = await stage.person("ben")
    with pytest.raises(InvalidCursor):
        await ben.ask(ListUploads(cursor=page.next_cursor))


async def test_a_removed_video_is_gone_everywhere(stage, ann):
    ben = await stage.person("ben")
    await ben.ask(FollowUser(user_id=ann.id, following=True))
    video, kept = await ann.publish(), await ann.publish()
    assert set(ids(await ben.feed())) == {video, kept}
    assert ids(await ben.following()) == [kept, video]
    await ann.attach("a")
    for _ in range(2):
        await ann.ask(DeleteVideo(video_id=video))
    await stage.calm()
    with pytest.raises(NotFound):
        await ben.ask(GetVideo(video_id=video))
    assert ids(await ben.feed()) == [kept]
    assert ids(await ben.following()) == [kept]
    assert (await ann.profile())["counts"]["videos"] == 1
    assert [each["type"] for each in ann.events("a")] == ["video.removed"]
    assert f"v/{video}/" in stage.blobs.discarded


async def test_an_upload_is_cancelled_in_any_state(stage, ann):
    waiting = (await ann.ask(create())).video_id
    stored = await ann.upload()
    for video in (waiting, stored):
        await ann.ask(DeleteVideo(video_id=video))
    await stage.calm()
    assert (await ann.ask(ListUploads())).items == ()
    assert await stage.jobs.claim("worker") is None
    await ann.encoded(stored)
    await stage.calm()
    assert await status(ann, stored) == "deleted"
    assert (await ann.profile())["counts"]["videos"] == 0


async def test_only_its_author_changes_or_removes_a_video(stage, ann):
    video, ben = await ann.publish(), await stage.person("ben")
    for message in (DeleteVideo(video_id=video), EditVideo(video_id=video, caption="mine")):
        with pytest.raises(Forbidden):
            await ben.ask(message)
    hidden = await ann.upload()
    with pytest.raises(NotFound):
        await ben.ask(DeleteVideo(video_id=hidden))
    assert (await ben.video(video))["caption"] == "a clip"


async def test_a_new_caption_is_answered_at_once_and_seen_by_all(stage, ann):
    video, ben = await ann.publish(), await stage.person("ben")
    await ben.video(video)
    answer = await ann.read(EditVideo(video_id=video, caption="better"))
    assert answer["caption"] == "better"
    assert answer["viewer"]["own"] is True
    await stage.calm()
    assert (await ben.video(video))["caption"] == "better"
