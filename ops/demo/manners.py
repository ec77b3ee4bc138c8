"""Things that must be refused, and by which code: a product that allows everything has not been tried."""

from dataclasses import dataclass
from typing import Any

from ops.demo.client import Person
from ops.demo.ledger import Said
from ops.demo.play import Play


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One thing that nobody may do."""

    what: str
    method: str
    path: str
    code: str
    body: dict[str, Any] | None = None


def attempts(play: Play, person: Person) -> list[Attempt]:
    """What `person` tries in vain."""
    other = next((each for each in play.people if each is not person), person)
    tries = [
        Attempt(
            what="following oneself",
            method="POST",
            path=f"/user/{person.user_id}/follow",
            code="unprocessable",
        ),
        Attempt(
            what="a forged cursor",
            method="GET",
            path="/feed?cursor=forged",
            code="invalid_cursor",
        ),
        Attempt(what="liking nothing", method="POST", path="/video/1/like", code="not_found"),
        Attempt(
            what="an unknown field",
            method="PATCH",
            path="/user/me",
            body={"shoe_size": 43},
            code="invalid_request",
        ),
        Attempt(
            what="a file that is too large",
            method="POST",
            path="/upload/video",
            body={"caption": "", "size_bytes": 1 << 40, "content_type": "video/mp4"},
            code="too_large",
        ),
        Attempt(
            what="a file that is no video",
            method="POST",
            path="/upload/video",
            body={"caption": "", "size_bytes": 1_000, "content_type": "text/html"},
            code="unsupported_media",
        ),
    ]
    if other is not person:
        tries.append(
            Attempt(
                what="somebody else's activity",
                method="GET",
                path=f"/user/{other.user_id}/activity",
                code="forbidden",
            )
        )
    for each in [each for each in play.ready if each.author is other][:1]:
        tries.append(
            Attempt(
                what="somebody else's caption",
                method="PATCH",
                path=f"/video/{each.video_id}",
                body={"caption": "mine now"},
                code="forbidden",
            )
        )
        tries.append(
            Attempt(
                what="an endless comment",
                method="POST",
                path=f"/video/{each.video_id}/comments",
                body={"text": "a" * 501},
                code="invalid_request",
            )
        )
    return tries


async def try_in_vain(play: Play) -> None:
    """The first person tries everything that is not allowed, and to make one comment twice."""
    if not play.people:
        return
    person = play.people[0]
    play.screen.act("Trying what is not allowed")
    for each in attempts(play, person):
        answer = await person.ask(each.method, each.path, each.body)
        if answer.ok or answer.code != each.code:
            play.faults.append(f"{each.what} gave {answer.status} {answer.code}, not {each.code}")
        else:
            play.done["refused as it should be"] += 1
            play.wire.weather.refused[f"{each.what}: {answer.code}"] += 1
    await _say_twice(play, person)


async def _say_twice(play: Play, person: Person) -> None:
    for each in play.ready[:1]:
        path, key = f"/video/{each.video_id}/comments", play.wire.mint_key()
        first = await person.call("POST", path, {"text": "once"}, key=key)
        play.ledger.comments[first["comment_id"]] = Said(
            comment_id=first["comment_id"],
            user_id=person.user_id,
            video_id=each.video_id,
            parent_id=None,
        )
        play.done["comment"] += 1
        again = await person.call("POST", path, {"text": "once"}, key=key)
        if again["comment_id"] != first["comment_id"]:
            play.faults.append("the same comment under the same key was made twice")
        other = await person.ask("POST", path, {"text": "twice"}, key=key)
        if other.code != "idempotency_conflict":
            play.faults.append(f"another comment under the same key gave {other.status}")
        else:
            play.wire.weather.refused["a key used twice: idempotency_conflict"] += 1
            play.done["refused as it should be"] += 1
