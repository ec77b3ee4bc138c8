"""Every bound of the edge, by name and unit.

Sizes come first, because whoever sends bytes here is a stranger: each buffer, body, queue and table has a
ceiling, and what reaches it is refused with a documented problem.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A steady rate and how far one may run ahead of it."""

    per_s: float
    burst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """The edge of one process."""

    #: `iss` of access tokens.
    issuer: str = "kinora"
    #: `aud` of access tokens.
    audience: str = "kinora-api"
    #: How long an access token is good for, in seconds.
    access_token_s: int = 15 * 60
    #: How far clocks of gateways may differ when a token's times are checked.
    clock_skew_s: int = 5
    #: Remembered `Authorization` headers, so that a signature is verified once.
    verified_tokens: int = 50_000
    #: Remembered query strings of feed requests.
    parsed_queries: int = 1_024

    #: Time that one call may take in all, waiting included.
    call_timeout_s: float = 10.0
    #: Time that a body may take to arrive, for uploads through the gateway.
    upload_timeout_s: float = 600.0
    #: Time that one dependency may take to say that it is there.
    check_timeout_s: float = 1.0
    #: Largest body of a call, uploads apart.
    max_body_bytes: int = 64 * 1024
    #: Largest block of headers.
    max_header_bytes: int = 8 * 1024
    #: Of a file that comes through the gateway; the domain may allow less.
    max_upload_bytes: int = 150 * 1024 * 1024
    #: Largest picture that may be sent.
    max_avatar_bytes: int = 2 * 1024 * 1024
    #: Everything of an uploaded form that is not the file.
    max_form_bytes: int = 32 * 1024
    #: Fields of an uploaded form at most.
    max_form_fields: int = 32
    #: Fields of a query string at most.
    max_query_fields: int = 32

    #: Password hashes computed at a time; each takes 19 MiB and a core.
    hashing_threads: int = 2
    #: Callers that may wait for one of those.
    hashing_queue: int = 64
    #: How long a name is held for a registration that has not finished.
    name_claim_ms: int = 60_000
    #: Waits between tries to make a name final, once its account exists.
    confirm_pauses_s: tuple[float, ...] = (0.1, 0.5, 2.0)

    #: Limits; the tables that count them hold `limit_keys` principals each.
    limit_keys: int = 100_000
    #: What one signed-in person may ask.
    requests_per_principal: Rate = Rate(per_s=100.0, burst=400)
    #: What one address may ask without signing in.
    requests_per_address: Rate = Rate(per_s=50.0, burst=200)
    #: Registrations from one address.
    registrations_per_address: Rate = Rate(per_s=60 / 3600, burst=60)
    #: Sign-ins from one address.
    logins_per_address: Rate = Rate(per_s=30 / 60, burst=30)
    #: Sign-ins under one name, from anywhere.
    logins_per_name: Rate = Rate(per_s=10 / 60, burst=10)
    #: How long the count that gateways share is waited for, in seconds; then a gateway's own must do.
    shared_limit_wait_s: float = 0.25
    #: Proxies of ours in front, each of which appends to X-Forwarded-For.
    trusted_proxies: int = 0

    #: Origins (`https://app.example`) that browsers may call from.
    allowed_origins: tuple[str, ...] = ()
    #: App name to lowest served version, `(major, minor, ...)`, of the X-Client header.
    client_floors: tuple[tuple[str, tuple[int, ...]], ...] = ()

    #: How long a websocket ticket is good for, in seconds.
    ticket_s: int = 30
    #: Tickets that may be shown within their lifetime before the oldest is forgotten.
    ticket_memory: int = 100_000
    #: Websockets of this process at most.
    max_sockets: int = 20_000
    #: Websockets of one person on this process at most.
    max_sockets_per_user: int = 8
    #: How long a new websocket may take to say hello, in seconds.
    hello_timeout_s: float = 5.0
    #: Seconds between two pings; two unanswered ones end a connection.
    heartbeat_s: int = 20
    #: How often connections are looked over for heartbeats and silence.
    sweep_s: float = 1.0
    #: Largest frame that a client may send.
    max_frame_bytes: int = 16 * 1024
    #: Frames that wait to be handled before reading from the connection pauses.
    inbound_frames: int = 16
    #: What may wait for a client that does not read; beyond it the client is too slow.
    outbound_frames: int = 256
    #: Bytes that may wait for a client that does not read.
    outbound_bytes: int = 256 * 1024
    #: Frames that one websocket may send.
    frames_per_socket: Rate = Rate(per_s=20.0, burst=60)
    #: Refused frames in a row after which the connection is closed.
    socket_strikes: int = 20
    #: How long a closed connection may take to say goodbye.
    socket_close_s: float = 2.0
    #: Websockets that are attached again at a time, after their node was lost.
    reattach_concurrency: int = 64
    #: Longest wait before a detached websocket is attached again, in seconds; doubles with each failure.
    reattach_first_s: float = 0.1
    #: Longest wait between two tries to attach a websocket again, in seconds.
    reattach_longest_s: float = 2.0
    #: How long a detached websocket is kept before its client is sent to another gateway, in seconds.
    reattach_give_up_s: float = 30.0
    #: Shortest wait before a client that was sent away comes back, in milliseconds.
    goaway_min_ms: int = 1_000
    #: Longest wait before a client that was sent away comes back, in milliseconds.
    goaway_max_ms: int = 30_000

    #: Connections that the kernel queues before they are accepted.
    backlog: int = 4_096
    #: How long an idle connection is kept, in seconds.
    keep_alive_s: int = 75
    #: From "not ready" to no longer listening: the time a load balancer needs to notice.
    drain_notice_s: float = 0.5
    #: How long a connection must be quiet before a drain closes it.
    drain_idle_s: float = 0.5
    #: Time for running requests once nobody is let in any more.
    drain_deadline_s: float = 15.0
