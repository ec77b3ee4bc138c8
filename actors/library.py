"""The library: what a node keeps in memory of things that belong to others.

Cards, profiles, the shelf, and which authors are too loud to push. All of it is
read from facts and kept true by broadcasts; all of it is bounded; nothing of it decides anything.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import msgspec

from actors.caches import ReadCache
from actors.cards import Card, tags_of
from actors.events import (
    Broadcast,
    CardChanged,
    Counted,
    LoudAuthor,
    ProfileChanged,
    Published,
    UserCounted,
    Withdrawn,
)
from actors.media_links import MediaLinks
from actors.ports.clock import Clock
from actors.ports.facts import PeopleFacts, VideoFacts
from actors.records import Profile, VideoRecord
from actors.settings import FeedSettings
from actors.shelf import Shelf, Shelved
from actors.tasks import TaskSet


class Library:
    """Caches of one node."""

    def __init__(
        self,
        *,
        people: PeopleFacts,
        videos: VideoFacts,
        links: MediaLinks,
        public_url: str,
        clock: Clock,
        tasks: TaskSet,
        settings: FeedSettings,
    ) -> None:
        self._people = people
        self._videos = videos
        self._links = links
        self._public_url = public_url
        self._clock = clock
        self._tasks = tasks
        self._settings = settings
        self.cards: ReadCache[int, Card] = ReadCache(
            "cards", settings.cards, self._read_cards, tasks
        )
        self.profiles: ReadCache[int, Profile] = ReadCache(
            "profiles", settings.profiles, self._read_profiles, tasks
        )
        self.shelf = Shelf(settings.shelf)
        #: Authors whose videos readers pull.
        self.loud: set[int] = set()

    async def fill(self) -> None:
        """Put what was published last on the shelf."""
        recent = await self._videos.recent(self._settings.shelf)
        ids = [each.video_id for each in recent]
        for at in range(0, len(ids), 500):
            for record in await self._videos.videos(ids[at : at + 500]):
                self._shelve(record)

    def hear(self, message: Broadcast) -> None:
        """Take note of a broadcast."""
        match message:
            case Counted(video_id=video_id):
                self.shelf.count(message, self._clock.unix_ms())
                if self.cards.knows(video_id):
                    if (card := self.cards.get(video_id)) is not None:
                        card.count(message)
                else:
                    self.cards.spoil(video_id)
            case UserCounted(user_id=user_id):
                self.profiles.revise(user_id, partial(_recounted, counted=message))
            case Published(video_id=video_id):
                self.cards.spoil(video_id)
                self._tasks.spawn(self._shelve_published(video_id), name="shelve")
            case Withdrawn(video_id=video_id):
                self.cards.spoil(video_id)
                self.shelf.remove(video_id)
            case CardChanged(video_id=video_id):
                self.cards.spoil(video_id)
            case ProfileChanged(user_id=user_id):
                self.profiles.spoil(user_id)
                self.cards.spoil_where(lambda card: card.author_id == user_id)
            case LoudAuthor(user_id=user_id):
                self.loud.add(user_id)

    async def _shelve_published(self, video_id: int) -> None:
        for record in await self._videos.videos((video_id,)):
            self._shelve(record)

    def _shelve(self, record: VideoRecord) -> None:
        if record.plays and record.media is not None:
            counts = record.counts
            self.shelf.add(
                Shelved(
                    video_id=record.video.video_id,
                    author_id=record.video.author_id,
                    published_ms=record.media.published_ms,
                    tags=tags_of(record.video.caption),
                    likes=counts.likes,
                    comments=counts.comments,
                    shares=counts.shares,
                    views=counts.views,
                    heat=float(counts.likes * 4 + counts.comments * 6 + counts.views),
                    heated_ms=record.media.published_ms,
                )
            )

    async def _read_profiles(self, user_ids: Sequence[int]) -> Mapping[int, Profile]:
        found = await self._people.profiles(user_ids)
        return {each.user.user_id: each for each in found if not each.user.deleted}

    async def _read_cards(self, video_ids: Sequence[int]) -> Mapping[int, Card]:
        records = [each for each in await self._videos.videos(video_ids) if each.plays]
        authors = await self._read_profiles(tuple({each.video.author_id for each in records}))
        return {
            each.video.video_id: Card(
                each, authors[each.video.author_id], self._links, self._public_url
            )
            for each in records
            if each.video.author_id in authors
        }

    def __repr__(self) -> str:
        return f"<Library {self.cards!r} {self.profiles!r} {self.shelf!r}>"


def _recounted(profile: Profile, counted: UserCounted) -> Profile:
    counts = msgspec.structs.replace(
        profile.counts,
        followers=counted.followers,
        following=counted.following,
        videos=counted.videos,
        likes_received=counted.likes_received,
    )
    return msgspec.structs.replace(profile, counts=counts)
