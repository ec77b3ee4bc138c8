"""The clients of `tests.benchmarks.fleet.mix`, in a process of their own.

`python -m tests.benchmarks.fleet.mix_client`: a `Play` as msgpack on standard input, a `Played` on standard
output. Each of some connections has people of its own, and draws what they do next from one shuffled deck, in
which every call lies as often as the traffic model says. So each run through a deck has exactly the mix.
"""

import asyncio
import gc
import hashlib
import http.client
import random
import sys
import time
from array import array
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from urllib.parse import urlsplit

import msgspec
import orjson
import uvloop

from tests.benchmarks.cores import cpu_s, threads_cpu_s
from tests.benchmarks.fleet.wire import Line, Socket, handshake

#: Websockets that one connection's people keep open.
OPEN = 8
#: What is sent to the store; no video, so that nothing is encoded.
_NO_VIDEO = b"this is no video" * 64


class Player(msgspec.Struct, kw_only=True):
    """One person and what their app knows."""

    number: int
    user_id: str
    token: str
    refresh: str
    #: What they sign in with; empty where they cannot.
    name: str = ""
    cursor: str | None = None
    #: Videos of their last page; likes that stand.
    seen: list[str] = []
    liked: set[str] = set()
    followed: bool = False


class Play(msgspec.Struct, frozen=True, kw_only=True):
    """What to play."""

    host: str
    port: int
    players: list[Player]
    videos: list[str]
    #: Video and id of comments that are there.
    comments: list[tuple[str, str]]
    authors: list[str]
    password: str
    connections: int
    #: Call to how often it lies in the deck; and how many decks are played, one after the other.
    phases: list[tuple[dict[str, int], int]]
    #: Processes whose time is read before and after each phase; of the first by its threads.
    watched: list[int]


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """What one phase took."""

    seconds: float
    calls: dict[str, int]
    #: Microseconds, little-endian 32-bit.
    latencies: bytes
    #: Processor time of the first process by thread, and of all.
    threads: dict[int, float]
    cpu: list[float]


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """What all phases took; answers that were not expected, with how often."""

    phases: list[Phase]
    refused: dict[str, int]


class Theatre:
    """All connections of one play."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.dice = random.Random(7)
        self.comments = list(play.comments)
        self.refused: Counter[str] = Counter()
        self.latencies = array("I")
        self.calls: Counter[str] = Counter()
        self.deck: Iterator[str] = iter(())

    async def run(self) -> Played:
        """Play every phase."""
        actors = []
        loop = asyncio.get_running_loop()
        for number in range(self.play.connections):
            _, line = await loop.create_connection(Line, self.play.host, self.play.port)
            actors.append(Actor(self, number, line))
        gc.disable()
        return Played(
            phases=[await self._phase(actors, deck, times) for deck, times in self.play.phases],
            refused=dict(self.refused),
        )

    async def _phase(self, actors: list["Actor"], deck: dict[str, int], times: int) -> Phase:
        cards = [name for name, count in deck.items() for _ in range(count)]
        shuffled: list[str] = []
        for _ in range(times):
            self.dice.shuffle(cards)
            shuffled += cards
        self.deck = iter(shuffled)
        self.latencies, self.calls = array("I"), Counter()
        first, *_ = self.play.watched
        threads, used = threads_cpu_s(first), [cpu_s(pid) for pid in self.play.watched]
        began = time.perf_counter()
        await asyncio.gather(*(actor.play() for actor in actors))
        seconds = time.perf_counter() - began
        after, later = threads_cpu_s(first), [cpu_s(pid) for pid in self.play.watched]
        return Phase(
            seconds=seconds,
            calls=dict(self.calls),
            latencies=self.latencies.tobytes(),
            threads={each: s - threads.get(each, 0.0) for each, s in after.items()},
            cpu=[b - a for a, b in zip(used, later, strict=True)],
        )


class Actor:
    """One connection and the people who use it in turn."""

    def __init__(self, theatre: Theatre, number: int, line: Line) -> None:
        play = theatre.play
        self._theatre = theatre
        self._line = line
        self._dice = random.Random(number)
        self._host = f"{play.host}:{play.port}"
        self._players = play.players[number :: play.connections]
        self._views = 0
        self._sockets: deque[Socket] = deque()
        self._uploaded: deque[tuple[Player, str]] = deque()
        self._steps: dict[str, Callable[[Player], Awaitable[None]]] = {
            "feed_open": self._feed_open,
            "feed_next": self._feed_next,
            "comments": self._comments,
            "views": self._report,
            "like": self._like,
            "comment_like": self._comment_like,
            "comment": self._comment,
            "share": self._share,
            "follow": self._follow,
            "profile": self._profile,
            "notifications": self._notifications,
            "refresh": self._refresh,
            "login": self._login,
            "upload": self._upload,
            "complete": self._complete,
            "socket": self._socket,
        }

    async def play(self) -> None:
        """Do what is drawn until the deck is through."""
        theatre = self._theatre
        for name in theatre.deck:
            theatre.calls[name] += 1
            await self._steps[name](self._dice.choice(self._players))

    async def _call(
        self,
        player: Player,
        method: str,
        path: str,
        body: object = None,
        *,
        expected: int = 200,
        signed: bool = True,
    ) -> bytes:
        """The answer of one request, noted."""
        raw = b"" if body is None else orjson.dumps(body)
        bearer = f"Authorization: Bearer {player.token}\r\n" if signed else ""
        kind = "Content-Type: application/json\r\n" if raw else ""
        size = f"Content-Length: {len(raw)}\r\n" if method != "GET" else ""
        # Each person comes from an address of their own, as a balancer would say.
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n{bearer}"
            f"X-Forwarded-For: {_address(player.number)}\r\n{kind}{size}\r\n"
        )
        began = time.perf_counter()
        status, answer = await self._line.ask(head.encode() + raw)
        self._theatre.latencies.append(int((time.perf_counter() - began) * 1e6))
        if status != expected:
            self._theatre.refused[
                f"{method} {path.partition('?')[0]} {status}: {answer!r:.300}"
            ] += 1
            return b""
        return answer

    def _video(self, player: Player) -> str:
        return self._dice.choice(player.seen or self._theatre.play.videos)

    async def _feed_open(self, player: Player) -> None:
        self._turn(player, await self._call(player, "GET", "/feed"))

    async def _feed_next(self, player: Player) -> None:
        cursor = f"?cursor={player.cursor}" if player.cursor else ""
        self._turn(player, await self._call(player, "GET", f"/feed{cursor}"))

    def _turn(self, player: Player, answer: bytes) -> None:
        if answer:
            page = orjson.loads(answer)
            player.cursor = page["next_cursor"]
            player.seen = [each["video_id"] for each in page["items"]]

    async def _comments(self, player: Player) -> None:
        await self._call(player, "GET", f"/video/{self._video(player)}/comments")

    async def _report(self, player: Player) -> None:
        views = []
        for video_id in (player.seen or self._theatre.play.videos)[:10]:
            self._views += 1
            views.append(
                {
                    "view_id": f"{player.number}-{self._views}-{self._dice.getrandbits(32):x}",
                    "video_id": video_id,
                    "watched_ms": 8_000,
                    "completed": False,
                }
            )
        await self._call(player, "POST", "/views", {"views": views}, expected=202)

    async def _like(self, player: Player) -> None:
        video_id = self._video(player)
        there = video_id in player.liked
        (player.liked.discard if there else player.liked.add)(video_id)
        await self._call(player, "DELETE" if there else "POST", f"/video/{video_id}/like")

    async def _comment_like(self, player: Player) -> None:
        video_id, comment_id = self._dice.choice(self._theatre.comments)
        await self._call(player, "POST", f"/video/{video_id}/comments/{comment_id}/like")

    async def _comment(self, player: Player) -> None:
        video_id = self._video(player)
        body = {"text": "How did you do that?"}
        answer = await self._call(player, "POST", f"/video/{video_id}/comments", body, expected=201)
        if answer:
            self._theatre.comments.append((video_id, orjson.loads(answer)["comment_id"]))

    async def _share(self, player: Player) -> None:
        await self._call(player, "POST", f"/video/{self._video(player)}/share", {"channel": "link"})

    async def _follow(self, player: Player) -> None:
        author = self._dice.choice([a for a in self._theatre.play.authors if a != player.user_id])
        player.followed = not player.followed
        await self._call(player, "POST" if player.followed else "DELETE", f"/user/{author}/follow")

    async def _profile(self, player: Player) -> None:
        author = self._dice.choice(self._theatre.play.authors)
        paths = (f"/user/{author}", f"/user/{author}/videos", f"/user/{player.user_id}/activity")
        await self._call(player, "GET", self._dice.choice(paths))

    async def _notifications(self, player: Player) -> None:
        await self._call(player, "GET", "/notifications")

    async def _refresh(self, player: Player) -> None:
        body = {"refresh_token": player.refresh}
        self._signed_in(
            player, await self._call(player, "POST", "/auth/refresh", body, signed=False)
        )

    async def _login(self, player: Player) -> None:
        known = [each for each in self._players if each.name]
        player = self._dice.choice(known) if known else player
        body = {"username": player.name, "password": self._theatre.play.password}
        self._signed_in(player, await self._call(player, "POST", "/auth/login", body, signed=False))

    def _signed_in(self, player: Player, answer: bytes) -> None:
        if answer:
            granted = orjson.loads(answer)
            player.token, player.refresh = granted["access_token"], granted["refresh_token"]

    async def _upload(self, player: Player) -> None:
        body = {
            "caption": "no video",
            "size_bytes": len(_NO_VIDEO),
            "content_type": "video/mp4",
            "sha256": hashlib.sha256(_NO_VIDEO).hexdigest(),
            "upload_method": "PUT",
        }
        answer = await self._call(player, "POST", "/upload/video", body, expected=201)
        if answer:
            opened = orjson.loads(answer)
            await asyncio.to_thread(_store, opened["upload"])
            self._uploaded.append((player, opened["video_id"]))

    async def _complete(self, player: Player) -> None:
        if not self._uploaded:
            await self._upload(player)
        player, video_id = self._uploaded.popleft()
        await self._call(player, "POST", f"/upload/video/{video_id}/complete", expected=202)

    async def _socket(self, player: Player) -> None:
        headers = (
            f"Authorization: Bearer {player.token}\r\n"
            f"X-Forwarded-For: {_address(player.number)}\r\n"
        )
        socket = Socket(
            handshake("/ws", host=self._host, headers=headers),
            b'{"op":"hello","resume":null}',
            lambda text: None,
        )
        play = self._theatre.play
        began = time.perf_counter()
        await asyncio.get_running_loop().create_connection(lambda: socket, play.host, play.port)
        await socket.opened
        self._theatre.latencies.append(int((time.perf_counter() - began) * 1e6))
        self._sockets.append(socket)
        if len(self._sockets) > OPEN:
            self._sockets.popleft().close()


def _address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def _store(way: dict[str, object]) -> None:
    """Send a file where the gateway said."""
    parts = urlsplit(str(way["url"]))
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        headers = way["headers"]
        assert isinstance(headers, dict)
        connection.request("PUT", f"{parts.path}?{parts.query}", _NO_VIDEO, headers)
        connection.getresponse().read()
    finally:
        connection.close()


def main() -> None:
    """Entry point."""
    play = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Play)

    async def run() -> Played:
        return await Theatre(play).run()

    played = uvloop.run(run())
    with open(sys.stdout.fileno(), "wb", closefd=False) as output:
        output.write(msgspec.msgpack.encode(played))


if __name__ == "__main__":
    main()
