"""What the pipeline and the domain say to each other about one video's media.

These values cross a process boundary (a job goes out, an outcome comes back) and are stored, so they
are frozen msgspec structs that only ever gain fields with defaults.

A *generation* is the number of one attempt to encode a video. Everything that an attempt produces lies
under its own prefix (`media_prefix`), so a late worker can never overwrite what a newer one published.
"""

from typing import Literal

import msgspec

#: Why a clip was refused or could not be encoded; the `error.code` of API.md. `internal` and `timeout`
#: are the only ones that another attempt can cure.
FailureCode = Literal[
    "too_long",
    "too_short",
    "too_large",
    "too_many_pixels",
    "not_a_video",
    "unsupported_codec",
    "damaged",
    "no_video_track",
    "size_mismatch",
    "checksum_mismatch",
    "policy",
    "timeout",
    "internal",
]

#: Bytes `first..last`, both inclusive, as an HTTP Range names them.
ByteSpan = tuple[int, int]


class MediaLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a clip may be; DESIGN §7. Checked before the first frame is decoded wherever possible."""

    max_bytes: int = 150 * 1024 * 1024
    min_duration_s: float = 0.25
    max_duration_s: float = 60.5
    max_pixels: int = 9_500_000


class MediaJob(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to turn an uploaded file into a playable video."""

    video_id: int
    author_id: int
    generation: int
    #: Name of the uploaded file in the blob store.
    source: str
    size_bytes: int
    #: What the client declared, lower-case hex; None where it declared nothing.
    sha256: str | None = None


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A job that one worker holds for as long as its heartbeats arrive."""

    job: MediaJob
    #: 1 for the first try.
    attempt: int
    #: Opaque; tells this claim from earlier ones of the same job.
    token: str


class Rung(msgspec.Struct, frozen=True, kw_only=True):
    """One encoded size of a video: a single fragmented MP4, described so that one Range request plays it."""

    name: str
    #: File name below the video's media prefix.
    file: str
    #: RFC 6381, video then audio: `avc1.64001f,mp4a.40.2`.
    codecs: str
    width: int
    height: int
    fps: float
    #: Average bits per second over the whole file.
    bitrate: int
    size_bytes: int
    #: ftyp and moov.
    init: ByteSpan
    #: The global sidx.
    index: ByteSpan
    #: From byte 0 past the first 1.5 s.
    start: ByteSpan


class EncodedMedia(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A finished attempt: what the store now holds below `media_prefix(video_id, generation)`."""

    duration_s: float
    #: Of the picture as it is shown, after rotation; the largest rung may be smaller.
    width: int
    height: int
    #: Base64 without padding of a ThumbHash (Evan Wallace), about 25 bytes.
    thumbhash: str
    #: What a player adds, in dB, to reach -14 LUFS; 0 where there is no sound.
    loudness_gain_db: float
    cover: str
    preview: str
    hls: str
    mp4: str
    #: Start rung first.
    rungs: tuple[Rung, ...]
    #: Sum over every object of the attempt.
    total_bytes: int


class MediaFailure(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A finished attempt without a video."""

    code: FailureCode
    title: str

    @property
    def curable(self) -> bool:
        """Whether another attempt could end differently."""
        return self.code in ("internal", "timeout")


#: What an author reads whose clip outlasted the lease of every attempt.
TIMED_OUT = MediaFailure(code="timeout", title="Processing this clip took too long.")


def media_prefix(video_id: int, generation: int) -> str:
    """Where one attempt's objects lie: `v/<video>/<generation>/`."""
    return f"v/{video_id}/{generation}/"


def source_name(video_id: int) -> str:
    """Where a video's upload lies until it is encoded; never served."""
    return f"{source_prefix(video_id)}clip"


def source_prefix(video_id: int) -> str:
    """Where everything that was uploaded for a video lies."""
    return f"quarantine/{video_id}/"


def avatar_name(user_id: int, version: int) -> str:
    """Where one version of a person's picture lies; immutable like all media."""
    return f"a/{user_id}/{version}.jpg"
