"""One person's app: it signs in, carries Idempotency-Keys, and is patient in the way API.md asks for.

The rule that everything here serves: a write that got no answer, or one that does not say whether it was
done, is sent again *with the same key*, until there is an answer or patience ends. So a person never does
one thing twice, also when the server is killed in the middle and comes back.
"""

import random
from asyncio import Lock
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson

from actors.ports.clock import Clock

#: Bytes of an answer that is read whole; feeds are a few KiB an item.
MAX_ANSWER_BYTES = 4 * 1024 * 1024
#: Names that are tried for one person.
NAME_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long an app goes on before it tells its person that something is wrong."""

    #: From the first try of one call to the last; covers a restart of the server.
    total_s: float = 90.0
    #: How long one try may take; and one transfer of a clip.
    answer_s: float = 20.0
    transfer_s: float = 300.0
    #: Pause after the first failed try; it doubles up to the longest.
    first_pause_s: float = 0.1
    longest_pause_s: float = 2.0
    #: Answers in a row that are a server's own fault (5xx without a word on waiting).
    server_faults: int = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server said. `body` is an object; empty where there was none."""

    status: int
    body: dict[str, Any]

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def code(self) -> str:
        """The stable code of a refusal."""
        return str(self.body.get("code") or f"http_{self.status}")

    @property
    def executed(self) -> bool | None:
        """Whether the work was done, where the answer says it was not; None where nobody knows."""
        known: bool | None = self.body.get("executed")
        return known

    @property
    def later(self) -> bool:
        """Whether API.md says to send the same again."""
        if self.status in (429, 503) or self.code == "in_progress":
            return True
        return self.status >= 500 and self.executed is not False

    @property
    def definite(self) -> bool:
        """Whether it is certain what was done."""
        return self.executed is False or (self.status < 500 and self.code != "in_progress")

    @property
    def retry_after_s(self) -> float | None:
        """How long waiting helps."""
        value = self.body.get("retry_after_s")
        return float(value) if isinstance(value, int | float) else None


class Refused(Exception):
    """The server said no, and saying it again would not help."""

    def __init__(self, what: str, answer: Answer) -> None:
        super().__init__(f"{what}: {answer.status} {answer.code} {answer.body.get('detail', '')}")
        self.answer = answer


class GaveUp(Exception):
    """No answer within the patience; whether it was done is not known."""


@dataclass(slots=True)
class Weather:
    """What the way to the server was like."""

    #: Tries without an answer: refused connections, resets, time-outs.
    lost: int = 0
    #: Tries that were answered by "later": 503, other 5xx, in_progress, rate_limited.
    later: Counter[str] = field(default_factory=Counter)
    #: Final refusals: "what: code".
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def calm(self) -> bool:
        """Whether the server was there all the time."""
        return self.lost == 0


class Wire:
    """The way to the server, shared by everybody."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        find_url: Callable[[], str],
        clock: Clock,
        dice: random.Random,
        patience: Patience,
    ) -> None:
        """`find_url` is asked before each try: a server that restarts may come back on another port."""
        self.http = http
        self.find_url = find_url
        self.clock = clock
        self.dice = dice
        self.patience = patience
        self.weather = Weather()

    def mint_key(self) -> str:
        """A key that was never used."""
        return f"{self.dice.getrandbits(128):032x}"

    async def send(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        body: object = None,
        form: Callable[[], object] | None = None,
        answer_s: float | None = None,
    ) -> Answer:
        """The first answer that is not "later". `form` makes the body anew for each try.

        Raises:
            GaveUp: there was none within the patience.
        """
        began = self.clock.monotonic()
        pause = self.patience.first_pause_s
        faults = 0
        while True:
            answer: Answer | None = None
            try:
                answer = await self._once(method, path, headers or {}, body, form, answer_s)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                self.weather.lost += 1
                wait, last = pause, f"{type(error).__name__} {error}".strip()
            else:
                if not answer.later:
                    return answer
                self.weather.later[answer.code] += 1
                asked = answer.retry_after_s
                faults = 0 if asked is not None else faults + 1
                wait, last = (pause if asked is None else asked), answer.code
            # Spread, so that people who were turned away together do not come back together.
            wait *= self.dice.uniform(1.0, 1.3)
            over = self.clock.monotonic() - began + wait > self.patience.total_s
            if over or faults >= self.patience.server_faults:
                if answer is not None and answer.definite:
                    return answer
                raise GaveUp(f"{method} {path}: no answer after all ({last})")
            await self.clock.sleep(wait)
            pause = min(2 * pause, self.patience.longest_pause_s)

    async def _once(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: object,
        form: Callable[[], object] | None,
        answer_s: float | None,
    ) -> Answer:
        url = path if path.startswith("http") else self.find_url() + path
        timeout = aiohttp.ClientTimeout(total=answer_s or self.patience.answer_s)
        data = form() if form is not None else None
        async with self.http.request(
            method,
            url,
            headers=headers,
            json=body,
            data=data,
            timeout=timeout,
            allow_redirects=False,
        ) as response:
            raw = await response.content.read(MAX_ANSWER_BYTES)
            return Answer(status=response.status, body=_object(response, raw))


class Person:
    """Somebody with an account, and with what their app remembers."""

    def __init__(self, wire: Wire, name: str, password: str, dice: random.Random) -> None:
        self.wire = wire
        self.name = name
        self.dice = dice
        self.user_id = ""
        self._password = password
        self._access = ""
        self._refresh = ""
        self._renewing = Lock()

    async def register(self) -> None:
        """Make the account, and say who they are from then on.

        A taken name may be our own: the answer of an earlier try got lost. Then signing in works; where it
        does not, the try was cut off half-way and holds the name for a while, so another one is chosen.

        Raises:
            Refused: too many registered from here, or no name was free.
            GaveUp: no answer.
        """
        wanted, tries = self.name, 0
        while True:
            body = {"username": self.name, "password": self._password, "display_name": wanted}
            answer = await self.wire.send("POST", "/auth/register", body=body)
            if answer.status != 409:
                break
            answer = await self.wire.send("POST", "/auth/login", body=self._credentials())
            tries += 1
            if answer.ok or tries == NAME_TRIES:
                break
            self.name = f"{wanted}_{tries}"
        self._take_tokens("register", answer)

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = None,
        form: Callable[[], object] | None = None,
        answer_s: float | None = None,
    ) -> dict[str, Any]:
        """What the server answers to this person. A write gets a key of its own unless `key` is given.

        Raises:
            Refused: the answer is a refusal; it is noted in the weather.
            GaveUp: no answer.
        """
        answer = await self.ask(method, path, body, key=key, form=form, answer_s=answer_s)
        if not answer.ok:
            what = _what(method, path)
            self.wire.weather.refused[f"{what}: {answer.code}"] += 1
            raise Refused(what, answer)
        return answer.body

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = None,
        form: Callable[[], object] | None = None,
        answer_s: float | None = None,
    ) -> Answer:
        """Like `call`, but a refusal is an answer as well, and not noted.

        Raises:
            GaveUp: no answer.
        """
        key = key or (None if method == "GET" else self.wire.mint_key())
        keyed = {"Idempotency-Key": key} if key is not None else {}

        async def once() -> Answer:
            return await self.wire.send(
                method,
                path,
                headers=self.bearer() | keyed,
                body=body,
                form=form,
                answer_s=answer_s,
            )

        used = self._access
        answer = await once()
        if answer.status == 401:
            await self._renew(used)
            answer = await once()
        return answer

    def bearer(self) -> dict[str, str]:
        """The header that proves who this is."""
        return {"Authorization": f"Bearer {self._access}"}

    async def pages(self, path: str, *, limit: int = 50, most: int = 200) -> list[dict[str, Any]]:
        """All items of a list, at most `most` pages of it.

        Raises:
            Refused, GaveUp: as `call`.
        """
        items: list[dict[str, Any]] = []
        cursor: str | None = ""
        joint = "&" if "?" in path else "?"
        for _ in range(most):
            at = f"&cursor={quote(cursor)}" if cursor else ""
            page = await self.call("GET", f"{path}{joint}limit={limit}{at}")
            items += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        return items

    async def _renew(self, used: str) -> None:
        """Replace the access token `used`, once for everybody who found it too old."""
        async with self._renewing:
            if self._access != used:
                return
            body = {"refresh_token": self._refresh}
            answer = await self.wire.send("POST", "/auth/refresh", body=body)
            if not answer.ok:
                answer = await self.wire.send("POST", "/auth/login", body=self._credentials())
            self._take_tokens("sign in", answer)

    def _credentials(self) -> dict[str, str]:
        return {"username": self.name, "password": self._password}

    def _take_tokens(self, what: str, answer: Answer) -> None:
        if not answer.ok:
            self.wire.weather.refused[f"{what}: {answer.code}"] += 1
            raise Refused(what, answer)
        self._access = answer.body["access_token"]
        self._refresh = answer.body["refresh_token"]
        if "user" in answer.body:
            self.user_id = answer.body["user"]["user_id"]

    def __repr__(self) -> str:
        return f"<Person {self.name} {self.user_id}>"


def _object(response: aiohttp.ClientResponse, raw: bytes) -> dict[str, Any]:
    if "json" not in response.content_type:
        return {}
    try:
        value = orjson.loads(raw)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _what(method: str, path: str) -> str:
    """A call without its ids: `POST /video/{id}/like`."""
    steps = path.partition("?")[0].split("/")
    return f"{method} {'/'.join('{id}' if step.isdigit() else step for step in steps)}"
