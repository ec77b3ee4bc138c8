"""Rows and values with everything filled in that a test does not care about."""

from __future__ import annotations

import itertools

from actors.media import EncodedMedia, MediaJob, Rung
from actors.ports.bus import Envelope
from actors.ports.shard_store import Commit
from actors.rows import (
    CommentRow,
    CredentialRow,
    FollowRow,
    LikeRow,
    NotificationRow,
    SessionRow,
    StampedRow,
    UserRow,
    VideoMediaRow,
    VideoRow,
)
from sharding.fence import Bid

_timestamps = itertools.count(1)


def stamped(*rows, timestamp=None):
    return [StampedRow(row, next(_timestamps) if timestamp is None else timestamp) for row in rows]


def bid(shard=7, epoch=10, owner="a", lease_until_ms=1_000, **more):
    return Bid(shard=shard, epoch=epoch, owner=owner, lease_until_ms=lease_until_ms, **more)


def commit(sequence=0, shard=7, epoch=10, owner="a", timestamp_high=None, **more):
    if timestamp_high is None:
        timestamp_high = epoch * 1000 + sequence
    return Commit(
        shard=shard,
        epoch=epoch,
        owner=owner,
        sequence=sequence,
        timestamp_high=timestamp_high,
        **more,
    )


def user(user_id, **more):
    fields = {
        "username": f"user{user_id}",
        "display_name": f"User {user_id}",
        "bio": "",
        "avatar": None,
        "created_ms": 1,
    }
    return UserRow(user_id=user_id, **{**fields, **more})


def credential(user_id, version=1):
    return CredentialRow(user_id=user_id, version=version, password_hash="hash")


def session(user_id, family_id, **more):
    fields = {"current": 1, "rotated_ms": 1, "expires_ms": 2}
    return SessionRow(user_id=user_id, family_id=family_id, **{**fields, **more})


def video(video_id, author_id=1, **more):
    fields = {
        "caption": f"video {video_id}",
        "created_ms": video_id,
        "size_bytes": 1,
        "content_type": "video/mp4",
        "sha256": None,
        "metadata": None,
    }
    return VideoRow(video_id=video_id, author_id=author_id, **{**fields, **more})


def media_row(video_id, author_id=1, status="ready", published_ms=None, **more):
    return VideoMediaRow(
        video_id=video_id,
        author_id=author_id,
        status=status,
        generation=1,
        published_ms=video_id if published_ms is None else published_ms,
        **more,
    )


def playing(video_id, author_id=1, **more):
    """Both halves of a video that plays."""
    return video(video_id, author_id), media_row(video_id, author_id, **more)


def like(user_id, video_id, liked=True, at_ms=None):
    return LikeRow(
        user_id=user_id,
        video_id=video_id,
        liked=liked,
        at_ms=video_id if at_ms is None else at_ms,
    )


def comment(comment_id, video_id=1, user_id=1, parent_id=None, **more):
    return CommentRow(
        video_id=video_id,
        comment_id=comment_id,
        user_id=user_id,
        parent_id=parent_id,
        text=f"comment {comment_id}",
        **more,
    )


def notification(user_id, group, seq, **more):
    fields = {"kind": "like", "at_ms": 1, "actor_ids": (3, 2), "actor_count": 5}
    return NotificationRow(user_id=user_id, group=group, seq=seq, **{**fields, **more})


def encoded_media():
    rung = Rung(
        name="360p",
        file="360p.mp4",
        codecs="avc1.64001f,mp4a.40.2",
        width=360,
        height=640,
        fps=29.97,
        bitrate=500_000,
        size_bytes=1000,
        init=(0, 99),
        index=(100, 199),
        start=(0, 499),
    )
    return EncodedMedia(
        duration_s=12.5,
        width=720,
        height=1280,
        thumbhash="abc",
        loudness_gain_db=-1.5,
        cover="cover.jpg",
        preview="preview.webp",
        hls="hls.m3u8",
        mp4="360p.mp4",
        rungs=(rung,),
        total_bytes=2000,
    )


def job(video_id=1, generation=1):
    return MediaJob(
        video_id=video_id,
        author_id=9,
        generation=generation,
        source=f"quarantine/{video_id}",
        size_bytes=100,
    )


def envelope(event, number, source=1, target=2, epoch=1):
    return Envelope(
        source=source,
        target=target,
        epoch=epoch,
        number=number,
        after=(epoch, number - 1),
        to=(5,),
        event=event,
    )


def follow_row(follower_id, followee_id, at_ms=1, following=True):
    return FollowRow(
        follower_id=follower_id, followee_id=followee_id, following=following, at_ms=at_ms
    )
