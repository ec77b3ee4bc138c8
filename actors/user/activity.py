"""One's own activity, from the journal."""

from actors import answers
from actors.messages import ListActivity
from actors.turn import Turn
from actors.user.state import User
from sharding.ids import minted_at_ms


def list_activity(user: User, message: ListActivity, turn: Turn) -> bytes:
    """What one did, newest first."""
    name = "activity/" + ",".join(sorted(message.kinds))
    before = None
    if message.cursor is not None:
        (before,) = user.world.cursors.open(user.id, name, message.cursor, 1)
    rows = turn.fetched(
        "page",
        lambda: user.world.deeds.activity(
            user.id, message.kinds, before=before, limit=message.limit + 1
        ),
    )
    more, rows = len(rows) > message.limit, rows[: message.limit]
    token = user.world.cursors.sign(user.id, name, (rows[-1].entry_id,)) if more else None
    items = tuple(
        answers.Activity(
            kind=row.kind,
            at=answers.at(minted_at_ms(row.entry_id)),
            video_id=str(row.video_id) if row.video_id else None,
            user_id=str(row.other_id) if row.other_id else None,
            comment_id=str(row.comment_id) if row.comment_id else None,
        )
        for row in rows
    )
    return answers.to_json(answers.Activities(items=items, next_cursor=token))
