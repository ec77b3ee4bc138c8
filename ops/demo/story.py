"""What everybody does, act by act.

Within an act all people act at once; between acts everybody waits, so that there is something to like
before anybody likes. Choices come from seeded dice: the same seed tells the same story.
"""

from functools import partial
from typing import Any
from urllib.parse import quote

import aiohttp

from ops.demo.client import Person
from ops.demo.feeds import crowded, repeats
from ops.demo.ledger import Said
from ops.demo.play import Play
from ops.demo.uploads import Upload, bring, watch

#: Pages of a feed that somebody scrolls through at most, and videos on one.
MAX_PAGES = 30
PAGE = 10
MAX_FOLLOWS = 5
MAX_LIKES = 25

TEXTS = (
    "So good!",
    "wait for it…",
    "Wo ist das?",
    "これ好き",
    "again 😂",
    "The light in this one.",
    "ça alors",
)


async def register(play: Play) -> None:
    """Everybody makes an account."""
    await play.together("Registering", lambda person: person.register())
    play.people[:] = [person for person in play.people if person.user_id]
    play.done["registered"] = len(play.people)


async def upload(play: Play) -> None:
    """Everybody brings their clips, one after the other."""

    async def bring_all(person: Person) -> None:
        for each in play.uploads:
            if each.author is person:
                await bring(each)
                play.screen.uploads(play.uploads)

    await play.together("Uploading", bring_all)


async def wait_for_uploads(play: Play, until: float) -> None:
    """Everybody watches their clips become videos."""

    async def watch_all(person: Person) -> None:
        mine = [each for each in play.uploads if each.author is person and each.video_id]
        await watch(
            mine, play.wire.clock, until=until, tell=lambda: play.screen.uploads(play.uploads)
        )

    await play.together("Waiting for every upload", watch_all)


async def follow(play: Play) -> None:
    """Everybody follows some of the others."""

    async def follow_some(person: Person) -> None:
        others = [each for each in play.people if each is not person]
        for other in person.dice.sample(others, min(MAX_FOLLOWS, len(others))):
            await play.deed(
                "follow",
                person.call("POST", f"/user/{other.user_id}/follow"),
                partial(play.ledger.follows.note, person.user_id, other.user_id),
            )

    await play.together("Following", follow_some)


async def scroll(play: Play) -> None:
    """Everybody scrolls for-you to its end, and what they saw is reported as views."""
    ours = {each.video_id for each in play.ready}

    async def scroll_one(person: Person) -> None:
        chain: list[dict[str, Any]] = []
        cursor: str | None = ""
        for _ in range(MAX_PAGES):
            at = f"&cursor={quote(cursor)}" if cursor else ""
            page = await person.call("GET", f"/feed?tab=foryou&limit={PAGE}{at}")
            play.done["feed pages"] += 1
            chain += page["items"]
            if page["items"] and not cursor:
                await _play_first(play, page["items"][0])
            seen = [each["video_id"] for each in page["items"] if each["video_id"] in ours]
            await _report_views(play, person, seen, page["req_id"])
            cursor = page["next_cursor"]
            if cursor is None:
                break
        ids = [each["video_id"] for each in chain]
        for video_id in repeats(ids):
            play.faults.append(f"for-you of {person.name} showed {video_id} twice in a chain")
        for place in crowded([each["author"]["user_id"] for each in chain]):
            play.faults.append(f"for-you of {person.name} has a third of one author at {place}")
        unseen = ours - _of(play, person) - set(ids)
        if cursor is None and unseen:
            play.notes.append(f"for-you of {person.name} ended without {len(unseen)} new videos")

    await play.together("Scrolling for-you", scroll_one)


async def like(play: Play) -> None:
    """Everybody likes what they like, some over their websocket."""

    async def like_some(person: Person) -> None:
        live = play.lives.get(person.user_id)
        for each in _some(person, play.ready, MAX_LIKES):
            if live is not None and person.dice.random() < 0.5:
                work = live.ask("like", video_id=each.video_id)
            else:
                work = person.call("POST", f"/video/{each.video_id}/like")
            answer = await play.deed(
                "like",
                work,
                partial(play.ledger.likes.note, person.user_id, each.video_id),
            )
            if answer is not None and answer.get("liked") is not True:
                play.faults.append(f"a like of {person.name} was answered by {answer}")

    await play.together("Liking", like_some)


async def comment(play: Play) -> None:
    """Everybody says something, then answers somebody."""

    async def comment_some(person: Person) -> None:
        for each in _some(person, play.ready, 3):
            await say(play, person, each.video_id, None)

    async def answer_some(person: Person) -> None:
        said = [each for each in play.ledger.comments.values() if each.parent_id is None]
        for each in person.dice.sample(said, min(1, len(said))):
            await say(play, person, each.video_id, each.comment_id)
        for each in person.dice.sample(said, min(3, len(said))):
            await play.deed(
                "like of a comment",
                person.call("POST", f"/video/{each.video_id}/comments/{each.comment_id}/like"),
                partial(play.ledger.comment_likes.note, person.user_id, each.comment_id),
            )

    await play.together("Commenting", comment_some)
    await play.together("Answering", answer_some)


async def say(play: Play, person: Person, video_id: str, parent_id: str | None) -> None:
    """Put one comment under a video."""
    body = {"text": person.dice.choice(TEXTS)} | ({"parent_id": parent_id} if parent_id else {})

    work = person.call("POST", f"/video/{video_id}/comments", body)
    answer = await play.deed(
        "comment" if parent_id is None else "answer",
        work,
        partial(play.ledger.note_comment, video_id),
    )
    if answer is not None:
        comment_id = answer["comment_id"]
        play.ledger.comments[comment_id] = Said(
            comment_id=comment_id, user_id=person.user_id, video_id=video_id, parent_id=parent_id
        )


async def share(play: Play) -> None:
    """Everybody shares a little."""

    async def share_some(person: Person) -> None:
        for each in _some(person, play.ready, 2):
            await play.deed(
                "share",
                person.call("POST", f"/video/{each.video_id}/share", {"channel": "demo"}),
                partial(play.ledger.note_share, person.user_id, each.video_id),
            )

    await play.together("Sharing", share_some)


async def change_minds(play: Play) -> None:
    """Everybody takes something back: a like, a follow, a comment, a like of a comment."""
    ledger = play.ledger

    async def change_mind(person: Person) -> None:
        me = person.user_id
        for video_id in sorted(ledger.likes.holding(me))[:2]:
            await play.deed(
                "unlike",
                person.call("DELETE", f"/video/{video_id}/like"),
                partial(ledger.likes.note_end, me, video_id),
            )
        for user_id in sorted(ledger.follows.holding(me))[:1]:
            await play.deed(
                "unfollow",
                person.call("DELETE", f"/user/{user_id}/follow"),
                partial(ledger.follows.note_end, me, user_id),
            )
        parents = {each.parent_id for each in ledger.comments.values()}
        mine = [each for each in ledger.comments.values() if each.user_id == me]
        for said in [each for each in mine if each.comment_id not in parents][:1]:
            await play.deed(
                "removal of a comment",
                person.call("DELETE", f"/video/{said.video_id}/comments/{said.comment_id}"),
                partial(ledger.note_removal, said.comment_id),
            )

    await play.together("Changing minds", change_mind)


async def _play_first(play: Play, video: dict[str, Any]) -> None:
    """Fetch what the first video of a feed promises to start with, as a player would: one request."""
    media, preload = video["media"], video.get("preload")
    if preload is None:
        play.faults.append(f"the first video of a feed, {video['video_id']}, has no preload")
        return
    last = int(preload["range"].removeprefix("bytes=0-"))
    base = media["base"].rstrip("/")
    url = f"{base}/{preload['file']}"
    data = b""
    for _ in range(play.wire.patience.server_faults):
        try:
            async with play.wire.http.get(url, headers={"Range": preload["range"]}) as response:
                data, status = await response.read(), response.status
        except (aiohttp.ClientError, TimeoutError):
            play.wire.weather.lost += 1
            status = 503
        if status < 500:
            if status != 206 or len(data) != last + 1 or data[4:8] != b"ftyp":
                play.faults.append(f"{url} gave {status} and {len(data)} bytes")
            play.done["first bytes played"] += 1
            return
        await play.wire.clock.sleep(play.wire.patience.longest_pause_s)
    play.faults.append(f"{url} could not be fetched")


async def _report_views(play: Play, person: Person, video_ids: list[str], req_id: str) -> None:
    if not video_ids:
        return
    views = [
        {
            "view_id": play.wire.mint_key(),
            "video_id": video_id,
            "req_id": req_id,
            "position": place,
            "watched_ms": person.dice.randint(3_000, 9_000),
            "completed": person.dice.random() < 0.4,
        }
        for place, video_id in enumerate(video_ids)
    ]
    live = play.lives.get(person.user_id)
    work = (
        live.ask("view", views=views) if live else person.call("POST", "/views", {"views": views})
    )

    def note(known: bool | None) -> None:
        for video_id in video_ids if known is None else ():
            play.ledger.views.note(video_id, sure=False)

    answer = await play.deed("view batch", work, note)
    if answer is not None:
        # Which of them were dropped is not said; after a lost answer the second one may drop all.
        for video_id in video_ids:
            play.ledger.views.note(video_id, sure=answer["accepted"] == len(video_ids))


def _some(person: Person, uploads: list[Upload], most: int) -> list[Upload]:
    """A choice of videos, at most about two thirds of them."""
    return person.dice.sample(uploads, min(most, -(-len(uploads) * 2 // 3)))


def _of(play: Play, person: Person) -> set[str]:
    return {each.video_id for each in play.ready if each.author is person}
