"""Which bucket holds a blob. Its name is its key, whole, in each of them.

    quarantine/...   the quarantine bucket: what clients may write, with a signed way, and nobody may read
    copies of those  the sources bucket: what workers encode; only we write there
    everything else  the media bucket: `v/` and `a/` of it can be read by the edge, the rest by us alone

A bucket is what S3 servers all hang policies, events and lifecycles on; a prefix within one, not all do.
"""

from dataclasses import dataclass

from sharding.errors import InvalidRequest

#: First step of the names of uploads.
UPLOADS = "quarantine/"
#: First steps of the names that the edge serves.
SERVED = ("v/", "a/")
#: What the edge names in `Referer`, before its key.
_EDGE = "kinora-edge/"
#: Fewer characters of a key could be guessed.
_MIN_KEY_CHARS = 16


@dataclass(frozen=True, slots=True)
class Layout:
    """Names of the buckets of one product."""

    quarantine: str
    sources: str
    media: str

    @staticmethod
    def of(prefix: str) -> "Layout":
        """The layout whose buckets' names begin with `prefix`."""
        return Layout(f"{prefix}quarantine", f"{prefix}sources", f"{prefix}media")

    def bucket_of(self, name: str) -> str:
        """Where the blob `name` lies."""
        return self.quarantine if name.startswith(UPLOADS) else self.media

    def buckets_of(self, prefix: str) -> tuple[str, ...]:
        """Where blobs can lie whose names start with `prefix`."""
        if prefix.startswith(UPLOADS):
            return (self.quarantine,)
        if UPLOADS.startswith(prefix):
            return (self.quarantine, self.media)
        return (self.media,)


def edge_referer(edge_key: str) -> str:
    """The header `Referer` by which the store knows the edge.

    Raises:
        InvalidRequest: the key is too short, or holds more than letters and digits.
    """
    if len(edge_key) < _MIN_KEY_CHARS or not (edge_key.isascii() and edge_key.isalnum()):
        raise InvalidRequest("The edge's key needs 16 letters or digits, or more of them.")
    return f"{_EDGE}{edge_key}"
