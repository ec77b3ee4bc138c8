"""What every actor of a node is handed: the rest of the world, in one frozen value."""

import msgspec

from actors.cursors import Cursors
from actors.library import Library
from actors.media import MediaLimits
from actors.media_links import MediaLinks
from actors.ports.facts import CommentFacts, DeedFacts, PeopleFacts, VideoFacts
from actors.ranking import Ranker
from actors.settings import FeedSettings, UserLimits
from sharding.ids import IdMint


class World(msgspec.Struct, frozen=True, kw_only=True):
    """Collaborators of actors; nothing in it is awaited by a handler."""

    mint: IdMint
    people: PeopleFacts
    videos: VideoFacts
    deeds: DeedFacts
    comments: CommentFacts
    library: Library
    ranker: Ranker
    links: MediaLinks
    cursors: Cursors
    feed: FeedSettings
    limits: UserLimits
    media: MediaLimits
    #: Content types that an upload may declare.
    content_types: tuple[str, ...] = (
        "video/mp4",
        "video/quicktime",
        "video/webm",
        "video/x-matroska",
    )
