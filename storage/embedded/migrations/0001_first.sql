-- State of shards, behind the fence (storage/embedded/shard_store.py).

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE fences (
    shard INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL DEFAULT 0,
    owner TEXT NOT NULL DEFAULT '',
    lease_until_ms INTEGER NOT NULL DEFAULT 0,
    sealed INTEGER NOT NULL DEFAULT 1,
    sequence INTEGER NOT NULL DEFAULT 0,
    timestamp_high INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE parts (
    shard INTEGER NOT NULL,
    entity INTEGER NOT NULL,
    part TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (shard, entity, part)
) WITHOUT ROWID;

CREATE TABLE answers (
    shard INTEGER NOT NULL,
    op_id BLOB NOT NULL,
    digest BLOB NOT NULL,
    answer BLOB NOT NULL,
    expires_ms INTEGER NOT NULL,
    PRIMARY KEY (shard, op_id)
) WITHOUT ROWID;
CREATE INDEX answers_by_expiry ON answers (shard, expires_ms);

CREATE TABLE intents (
    shard INTEGER NOT NULL,
    number INTEGER NOT NULL,
    rows BLOB NOT NULL,
    PRIMARY KEY (shard, number)
) WITHOUT ROWID;

CREATE TABLE outbox (
    shard INTEGER NOT NULL,
    number INTEGER NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (shard, number)
) WITHOUT ROWID;

CREATE TABLE links (
    shard INTEGER NOT NULL,
    direction TEXT NOT NULL CHECK (direction IN ('sent', 'received')),
    peer INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (shard, direction, peer)
) WITHOUT ROWID;

-- Facts: one table for each row class of actors/rows.py, its columns plus the timestamp that decides
-- (storage/embedded/fact_tables.py). Indexes follow the reads of actors/ports/facts.py.

CREATE TABLE users (
    user_id INTEGER PRIMARY KEY,
    username TEXT NOT NULL,
    display_name TEXT NOT NULL,
    bio TEXT NOT NULL,
    avatar TEXT,
    created_ms INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    timestamp INTEGER NOT NULL
);

CREATE TABLE credentials (
    user_id INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    password_hash TEXT NOT NULL,
    timestamp INTEGER NOT NULL
);

CREATE TABLE sessions (
    user_id INTEGER NOT NULL,
    family_id INTEGER NOT NULL,
    "current" INTEGER NOT NULL,
    rotated_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    PRIMARY KEY (user_id, family_id)
) WITHOUT ROWID;
CREATE INDEX sessions_alive ON sessions (user_id, family_id) WHERE ended = 0;

CREATE TABLE videos (
    video_id INTEGER PRIMARY KEY,
    author_id INTEGER NOT NULL,
    caption TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    sha256 TEXT,
    metadata TEXT,
    removed INTEGER NOT NULL,
    timestamp INTEGER NOT NULL
);
CREATE INDEX videos_by_author ON videos (author_id, video_id) WHERE removed = 0;
CREATE INDEX uploads_by_author ON videos (author_id, created_ms);

CREATE TABLE video_media (
    video_id INTEGER PRIMARY KEY,
    author_id INTEGER NOT NULL,
    status TEXT NOT NULL,
    generation INTEGER NOT NULL,
    published_ms INTEGER NOT NULL,
    media BLOB,
    error_code TEXT,
    error_title TEXT,
    timestamp INTEGER NOT NULL
);
CREATE INDEX publications ON video_media (published_ms, video_id, author_id) WHERE status = 'ready';
CREATE INDEX publications_by_author ON video_media (author_id, published_ms, video_id)
    WHERE status = 'ready';

CREATE TABLE counts (
    entity_id INTEGER PRIMARY KEY,
    likes INTEGER NOT NULL,
    comments INTEGER NOT NULL,
    shares INTEGER NOT NULL,
    views INTEGER NOT NULL,
    followers INTEGER NOT NULL,
    "following" INTEGER NOT NULL,
    videos INTEGER NOT NULL,
    likes_received INTEGER NOT NULL,
    timestamp INTEGER NOT NULL
);

CREATE TABLE likes (
    user_id INTEGER NOT NULL,
    video_id INTEGER NOT NULL,
    liked INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    PRIMARY KEY (user_id, video_id)
) WITHOUT ROWID;
CREATE INDEX likes_by_time ON likes (user_id, at_ms, video_id) WHERE liked = 1;
CREATE INDEX likes_by_video ON likes (video_id) WHERE liked = 1;

CREATE TABLE comments (
    video_id INTEGER NOT NULL,
    comment_id INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    parent_id INTEGER,
    text TEXT NOT NULL,
    removed INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    PRIMARY KEY (video_id, comment_id)
) WITHOUT ROWID;
CREATE INDEX comments_by_parent ON comments (video_id, parent_id, comment_id) WHERE removed = 0;
CREATE INDEX comments_by_user ON comments (user_id, comment_id) WHERE removed = 0;

CREATE TABLE comment_removals (
    video_id INTEGER NOT NULL,
    comment_id INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    PRIMARY KEY (video_id, comment_id)
) WITHOUT ROWID;

CREATE TABLE comment_likes (
    user_id INTEGER NOT NULL,
    video_id INTEGER NOT NULL,
    comment_id INTEGER NOT NULL,
    liked INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    PRIMARY KEY (user_id, comment_id)
) WITHOUT ROWID;
CREATE INDEX comment_likes_by_comment ON comment_likes (comment_id) WHERE liked = 1;

CREATE TABLE follows (
    follower_id INTEGER NOT NULL,
    followee_id INTEGER NOT NULL,
    "following" INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    PRIMARY KEY (follower_id, followee_id)
) WITHOUT ROWID;
CREATE INDEX follows_of ON follows (follower_id, at_ms, followee_id) WHERE "following" = 1;
CREATE INDEX follows_to ON follows (followee_id, at_ms, follower_id) WHERE "following" = 1;

CREATE TABLE blocks (
    blocker_id INTEGER NOT NULL,
    blocked_id INTEGER NOT NULL,
    blocked INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    PRIMARY KEY (blocker_id, blocked_id)
) WITHOUT ROWID;
CREATE INDEX blocks_by_blocked ON blocks (blocked_id) WHERE blocked = 1;

CREATE TABLE shares (
    user_id INTEGER NOT NULL,
    share_id INTEGER NOT NULL,
    video_id INTEGER NOT NULL,
    channel TEXT,
    timestamp INTEGER NOT NULL,
    PRIMARY KEY (user_id, share_id)
) WITHOUT ROWID;
CREATE INDEX shares_by_video ON shares (video_id);

CREATE TABLE not_interested (
    user_id INTEGER NOT NULL,
    video_id INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    PRIMARY KEY (user_id, video_id)
) WITHOUT ROWID;

CREATE TABLE reports (
    user_id INTEGER NOT NULL,
    report_id INTEGER NOT NULL,
    target_kind TEXT NOT NULL,
    target_id INTEGER NOT NULL,
    reason TEXT NOT NULL,
    text TEXT,
    timestamp INTEGER NOT NULL,
    PRIMARY KEY (user_id, report_id)
) WITHOUT ROWID;

CREATE TABLE journal (
    user_id INTEGER NOT NULL,
    entry_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    video_id INTEGER,
    other_id INTEGER,
    comment_id INTEGER,
    timestamp INTEGER NOT NULL,
    PRIMARY KEY (user_id, entry_id)
) WITHOUT ROWID;
CREATE INDEX journal_by_kind ON journal (user_id, kind, entry_id);

CREATE TABLE notifications (
    user_id INTEGER NOT NULL,
    "group" TEXT NOT NULL,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    actor_ids BLOB NOT NULL,
    actor_count INTEGER NOT NULL,
    video_id INTEGER,
    comment_id INTEGER,
    timestamp INTEGER NOT NULL,
    PRIMARY KEY (user_id, "group")
) WITHOUT ROWID;
CREATE INDEX notifications_by_seq ON notifications (user_id, seq);

-- Names of users (storage/embedded/names.py); without an expiry a name is confirmed.

CREATE TABLE usernames (
    username TEXT PRIMARY KEY,
    user_id INTEGER NOT NULL,
    expires_ms INTEGER
) WITHOUT ROWID;

-- Jobs of the media workers (storage/embedded/jobs.py). What is ended and reported keeps its key only.

CREATE TABLE jobs (
    place INTEGER PRIMARY KEY,
    video_id INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    author_id INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'ended', 'reported', 'withdrawn')),
    job BLOB,
    attempt INTEGER NOT NULL DEFAULT 0,
    claims INTEGER NOT NULL DEFAULT 0,
    not_before_ms INTEGER NOT NULL DEFAULT 0,
    lease_until_ms INTEGER NOT NULL DEFAULT 0,
    worker TEXT,
    progress REAL NOT NULL DEFAULT 0,
    outcome BLOB,
    UNIQUE (video_id, generation)
);
CREATE INDEX jobs_to_do ON jobs (state, place);
