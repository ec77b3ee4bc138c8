"""The bounds of the domain, each a named number with its unit."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeSettings:
    """How much one node holds, and how long it waits."""

    #: Actors in memory at most; the least recently used idle one goes first.
    max_actors: int = 50_000
    #: Messages that wait for one actor.
    mailbox_capacity: int = 64
    #: Messages that wait for all actors of one shard.
    shard_mailbox_capacity: int = 4_096
    #: Bytes of messages that wait for all actors of one shard.
    shard_mailbox_bytes: int = 4 * 1024 * 1024
    #: Actors that are being loaded at a time, per node.
    max_loading: int = 64
    #: Operations that one commit of a shard carries at most.
    commit_max_ops: int = 64
    #: Operations of one shard that are not committed, landed and relayed yet; beyond it commands are refused.
    shard_backlog: int = 1_024
    #: The same over all shards of the node.
    node_backlog: int = 20_000
    #: How often soft state is written and coalesced events leave, in seconds.
    tick_s: float = 1.0
    #: How long a lease of ownership lasts, in milliseconds; renewed at a sixth of it. Longer than a Redis
    #: master needs to be replaced, so that a fail-over costs its users' reads nothing.
    lease_ms: int = 6_000
    #: How long the owner of a shard keeps its last commits, for a store that comes back without them, in
    #: seconds, and how many bytes of them a shard.
    recent_s: float = 10.0
    recent_bytes: int = 128 * 1024
    #: First pause before a store is tried again, in seconds; doubles with each.
    retry_first_s: float = 0.02
    #: Longest pause before a store is tried again, in seconds.
    retry_longest_s: float = 1.0
    #: How often a turn may fetch something and start again.
    max_fetches: int = 32
    #: How long a keyed command's answer is kept, in milliseconds (API.md: 24 h).
    keyed_answer_ms: int = 24 * 3_600_000
    #: How long shutting down waits for commits to land, in seconds.
    drain_s: float = 10.0
    #: How often upload leftovers are looked for, and counts are swept, in seconds.
    sweep_s: float = 30.0
    #: Age of an upload after which its job is handed in once more, in case the queue has lost it, in milliseconds.
    encoding_overdue_ms: int = 120_000
    #: Videos, and users, that one sweep counts anew though nothing is wrong with them.
    slow_recounts: int = 20
    #: Entities of shards with a doubt about them that are counted anew in a second, at most.
    recounts_a_second: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSettings:
    """What feeds are cut from."""

    #: Cards that a node keeps.
    cards: int = 20_000
    #: Profiles that a node keeps.
    profiles: int = 50_000
    #: Recently published videos that for-you is chosen from.
    shelf: int = 5_000
    #: Ids that one refill of a playlist adds at most.
    refill: int = 200
    #: A playlist with fewer ids ahead than this is refilled behind the page.
    low_water: int = 20
    #: Ids that one generation of a playlist holds at most; a chain ends there.
    playlist: int = 4_000
    #: Ids that are remembered as seen.
    seen: int = 4_000
    #: Entries of an inbox.
    inbox: int = 300
    #: Followers above which an author's videos are pulled by readers instead of pushed to them.
    push_bound: int = 5_000
    #: People that one may follow.
    max_following: int = 5_000
    #: Likes that an actor holds in memory; those beyond are looked up.
    likes_held: int = 1_000
    #: Cards of a page that come with a preload range.
    preload: int = 3
    #: Fingerprints of views kept against counting one twice.
    view_fingerprints: int = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class UserLimits:
    """What one person may do; exact, kept by their actor. Rates are per minute with a burst of a quarter."""

    #: Uploads that one may open within 24 hours; refused ones do not count.
    uploads_a_day: int = 50
    #: Likes and unlikes, of videos and comments together.
    likes_a_minute: int = 240
    #: Comments and answers.
    comments_a_minute: int = 60
    #: Follows and unfollows.
    follows_a_minute: int = 120
    #: Shares.
    shares_a_minute: int = 120
    #: Reports for review.
    reports_a_minute: int = 20
    #: Changes of captions, profile, blocks and what is not wanted.
    edits_a_minute: int = 60
    #: Batches of views, over HTTP and websocket together.
    view_batches_a_minute: int = 240
    #: Sign-ins that are live at a time; the oldest ends when there are more.
    sessions: int = 20
    #: Websockets of one user.
    sockets: int = 8
    #: Days that a sign-in lasts without being refreshed.
    session_days: int = 60
