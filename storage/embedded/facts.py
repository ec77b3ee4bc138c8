"""`SqliteFacts`: all five ports of facts over one database."""

from storage.embedded.database import Database
from storage.embedded.facts_comments import SqliteCommentFacts
from storage.embedded.facts_deeds import SqliteDeedFacts
from storage.embedded.facts_people import SqlitePeopleFacts
from storage.embedded.facts_videos import SqliteVideoFacts
from storage.embedded.facts_writer import SqliteFactWriter


class SqliteFacts:
    """One adapter for each port of `actors.ports.facts`."""

    __slots__ = ("comments", "deeds", "people", "videos", "writer")

    def __init__(self, database: Database) -> None:
        self.writer = SqliteFactWriter(database)
        self.people = SqlitePeopleFacts(database)
        self.videos = SqliteVideoFacts(database)
        self.deeds = SqliteDeedFacts(database)
        self.comments = SqliteCommentFacts(database)

    def __repr__(self) -> str:
        return f"<SqliteFacts {self.writer!r}>"
