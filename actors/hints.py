"""What caches must hear of rows whose writer may have ended before it could say so.

A turn broadcasts what it changed when its rows have landed. When a new owner lands them instead, all that is
left of that turn are the rows, and other nodes may have cached what was true before them.
"""

from collections.abc import Iterable

from actors.events import (
    Broadcast,
    CardChanged,
    Counted,
    ProfileChanged,
    Published,
    UserCounted,
    Withdrawn,
)
from actors.rows import AnyRow, CountsRow, UserRow, VideoMediaRow, VideoRow


def hints_of(row: AnyRow) -> Iterable[Broadcast]:
    """The broadcasts that follow from a row alone; one that is not needed does no harm."""
    match row:
        case CountsRow():
            yield Counted(
                video_id=row.entity_id,
                likes=row.likes,
                comments=row.comments,
                shares=row.shares,
                views=row.views,
            )
            yield UserCounted(
                user_id=row.entity_id,
                followers=row.followers,
                following=row.following,
                videos=row.videos,
                likes_received=row.likes_received,
            )
        case VideoMediaRow(status="ready"):
            yield Published(video_id=row.video_id)
        case VideoMediaRow(status="deleted") | VideoRow(removed=True):
            yield Withdrawn(video_id=row.video_id)
        case VideoRow():
            yield CardChanged(video_id=row.video_id)
        case UserRow():
            yield ProfileChanged(user_id=row.user_id)
