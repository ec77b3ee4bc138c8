"""What the product confirmed, so that it can be held to it.

A deed is known to be done, known not to be done, or in doubt: nobody answered within the patience, or the
answer left it open. Doubt makes a count a range; everything else must be met exactly.
"""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """What a count may be, both ends included."""

    low: int
    high: int

    def __contains__(self, count: object) -> bool:
        return isinstance(count, int) and self.low <= count <= self.high

    def __add__(self, other: "Range") -> "Range":
        return Range(self.low + other.low, self.high + other.high)

    def __str__(self) -> str:
        return str(self.low) if self.low == self.high else f"{self.low} to {self.high}"


class Ties:
    """Who is tied to what: likes and follows. The last word counts."""

    def __init__(self) -> None:
        self._state: dict[tuple[str, str], bool | None] = {}
        self._ever: set[tuple[str, str]] = set()

    def note(self, who: str, what: str, state: bool | None) -> None:
        """`state` is None when it is not known whether the change took hold."""
        self._state[who, what] = state
        if state is not False:
            self._ever.add((who, what))

    def note_end(self, who: str, what: str, ended: bool | None) -> None:
        """`ended` says whether taking the tie back took hold."""
        self.note(who, what, None if ended is None else not ended)

    def holding(self, who: str) -> set[str]:
        """What `who` is certainly tied to."""
        return {what for (each, what), state in self._state.items() if each == who and state}

    def held(self, who: str) -> set[str]:
        """What `who` may ever have been tied to."""
        return {what for each, what in self._ever if each == who}

    def on(self, what: str) -> Range:
        """How many are tied to `what`."""
        states = [state for (_, each), state in self._state.items() if each == what]
        return Range(states.count(True), states.count(True) + states.count(None))

    def of(self, who: str) -> Range:
        """How many things `who` is tied to."""
        states = [state for (each, _), state in self._state.items() if each == who]
        return Range(states.count(True), states.count(True) + states.count(None))

    def doubtful(self, who: str, what: str) -> bool:
        """Whether nobody knows."""
        return (who, what) in self._state and self._state[who, what] is None

    def total(self) -> Range:
        """How many ties there are."""
        states = list(self._state.values())
        return Range(states.count(True), states.count(True) + states.count(None))


class Sums:
    """How often something was done to something: shares and views."""

    def __init__(self) -> None:
        self._sure: Counter[str] = Counter()
        self._doubtful: Counter[str] = Counter()

    def note(self, what: str, *, sure: bool = True) -> None:
        (self._sure if sure else self._doubtful)[what] += 1

    def on(self, what: str) -> Range:
        return Range(self._sure[what], self._sure[what] + self._doubtful[what])

    def total(self) -> Range:
        sure = self._sure.total()
        return Range(sure, sure + self._doubtful.total())


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A comment that was confirmed."""

    comment_id: str
    user_id: str
    video_id: str
    parent_id: str | None


@dataclass(slots=True)
class Ledger:
    """Everything that was confirmed, by kind."""

    likes: Ties = field(default_factory=Ties)
    follows: Ties = field(default_factory=Ties)
    comment_likes: Ties = field(default_factory=Ties)
    shares: Sums = field(default_factory=Sums)
    views: Sums = field(default_factory=Sums)
    #: By person: videos that they shared.
    shared_by: dict[str, Counter[str]] = field(default_factory=dict)
    comments: dict[str, Said] = field(default_factory=dict)
    #: Comments whose removal was confirmed, and those where nobody knows.
    removed: set[str] = field(default_factory=set)
    removal_in_doubt: set[str] = field(default_factory=set)
    #: By video: comments that nobody confirmed or refused.
    comments_in_doubt: Counter[str] = field(default_factory=Counter)

    def note_share(self, user_id: str, video_id: str, done: bool | None) -> None:
        """Note a share; None when nobody knows whether it was counted."""
        if done is not False:
            self.shares.note(video_id, sure=done is True)
        if done:
            self.shared_by.setdefault(user_id, Counter())[video_id] += 1

    def note_comment(self, video_id: str, done: bool | None) -> None:
        """Note a comment that may be there; one that is there has an id and goes into `comments`."""
        self.comments_in_doubt[video_id] += done is None

    def note_removal(self, comment_id: str, done: bool | None) -> None:
        """Note that a comment was removed, or may have been."""
        if done:
            self.removed.add(comment_id)
        elif done is None:
            self.removal_in_doubt.add(comment_id)

    def visible(self, video_id: str) -> list[Said]:
        """Comments that must be under a video."""
        return [
            said
            for said in self.comments.values()
            if said.video_id == video_id
            and said.comment_id not in self.removed
            and said.comment_id not in self.removal_in_doubt
        ]

    def comments_on(self, video_id: str) -> Range:
        """How many comments a video has, answers included."""
        sure = len(self.visible(video_id))
        leaving = sum(self.comments[each].video_id == video_id for each in self.removal_in_doubt)
        return Range(sure, sure + leaving + self.comments_in_doubt[video_id])
