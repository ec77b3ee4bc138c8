"""`CassandraFacts`: all five ports of facts over one connection."""

from storage.cassandra.facts_comments import CassandraCommentFacts
from storage.cassandra.facts_deeds import CassandraDeedFacts
from storage.cassandra.facts_people import CassandraPeopleFacts
from storage.cassandra.facts_videos import CassandraVideoFacts
from storage.cassandra.session import Cassandra
from storage.cassandra.writer import CassandraFactWriter


class CassandraFacts:
    """One adapter for each port of `actors.ports.facts`."""

    __slots__ = ("comments", "deeds", "people", "videos", "writer")

    def __init__(self, cassandra: Cassandra) -> None:
        self.writer = CassandraFactWriter(cassandra)
        self.people = CassandraPeopleFacts(cassandra)
        self.videos = CassandraVideoFacts(cassandra)
        self.deeds = CassandraDeedFacts(cassandra)
        self.comments = CassandraCommentFacts(cassandra)

    def __repr__(self) -> str:
        return f"<CassandraFacts {self.writer!r}>"
