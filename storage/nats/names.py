"""Every name that this adapter uses at NATS: streams, subjects, and what they carry.

| stream | subjects | what lies there |
|---|---|---|
| `<prefix>_inbox` | `<prefix>.shard.<n>` | what is meant for the owner of a shard, until it has been handled |
| `<prefix>_jobs` | `<prefix>.job.<video>` | the newest state of each video's job |
| `<prefix>_table` | `<prefix>.table.<key>` | the shard table (`homes`) and the members (`member-<name>`) |
| `<prefix>_uploads` | the object store's own subject | uploads that arrived, until somebody has looked |
| `<prefix>_dead` | `<prefix>.dead.*` | what was given up, and why |

A stream whose changes are heard is republished by the server under `<prefix>.heard.…`, after it was stored
and with its number. `<prefix>.whisper` carries broadcasts; nothing keeps them.
"""

from urllib.parse import quote, unquote


class Names:
    """The names of one installation."""

    __slots__ = ("dead", "inbox", "jobs", "prefix", "progress", "table", "uploads", "whisper")

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.inbox = f"{prefix}_inbox"
        self.jobs = f"{prefix}_jobs"
        self.table = f"{prefix}_table"
        self.uploads = f"{prefix}_uploads"
        self.dead = f"{prefix}_dead"
        self.whisper = f"{prefix}.whisper"
        self.progress = f"{prefix}.progress"

    def shard(self, shard: int | str) -> str:
        """Where what is meant for a shard's owner is published."""
        return f"{self.prefix}.shard.{shard}"

    def job(self, video_id: int | str) -> str:
        """Where the state of a video's job is published."""
        return f"{self.prefix}.job.{video_id}"

    def key(self, key: str) -> str:
        """Where an entry of the table is published; `*` stays what it is."""
        return f"{self.prefix}.table.{key if key == '*' else as_token(key)}"

    def heard(self, subject: str) -> str:
        """Where what was stored under a subject of ours is republished."""
        return f"{self.prefix}.heard{subject.removeprefix(self.prefix)}"

    def dead_letter(self, kind: str) -> str:
        """Where what was given up is kept."""
        return f"{self.prefix}.dead.{kind}"

    def takers(self) -> str:
        """Where the server hands out news of uploads, each to one node."""
        return f"{self.prefix}.takers"


def as_token(name: str) -> str:
    """`name` as one token of a subject."""
    return quote(name, safe="").replace(".", "%2E")


def from_token(token: str) -> str:
    """What `as_token` was given."""
    return unquote(token)


def last_token(subject: str) -> str:
    """The part of a subject behind its last dot."""
    return subject.rpartition(".")[2]
