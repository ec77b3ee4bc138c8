"""Logs: one JSON object a line on stderr, with the ids that belong together and without secrets.

Two promises. A slow or stuck reader of stderr never holds up the loop: lines go through a bounded queue
to a thread, and what does not fit is dropped and counted. No token gets out: names that carry secrets are
masked, and so is whatever looks like one inside any text, tracebacks included.

Lines about a request carry its `request_id`, its `user_id` and that user's `shard`, given as `extra` where
they are known; lines about a shard or an actor name it. What the standard library or a driver logs takes
the same way.
"""

import logging
import queue
import re
import threading
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, Literal, TextIO

import orjson
import structlog

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["json", "text"]

MASK = "***"
#: Values within values that are looked into; what lies deeper is masked.
MAX_DEPTH = 6
#: How long closing waits for a stuck reader, in seconds.
CLOSE_S = 2.0

_SECRET_NAMES = re.compile(
    r"authorization|cookie|passw|passphrase|secret|token|ticket|credential|private|signature"
    r"|api_?key|signing_?key|^(old|new|key)$",
    re.IGNORECASE,
)
_SECRETS_IN_TEXT = (
    # Whatever follows the name of a scheme of HTTP authentication.
    (re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1 {MASK}"),
    # A JSON Web Token, wherever it stands.
    (re.compile(r"\beyJ[\w-]{4,}\.[\w-]+(\.[\w-]*)?"), MASK),
    # `name=value` and `"name": "value"`, as in addresses and bodies.
    (
        re.compile(
            r"(?i)\b((?:\w*(?:token|ticket|passw\w*|secret|signature)|old|new)[\"']?\s*[=:]\s*[\"']?)"
            r"[^\s\"'&,;}]{4,}"
        ),
        rf"\1{MASK}",
    ),
    # The signed part of a media address (actors/media_links.py): it opens the video to who has it.
    (re.compile(r"/[\w-]{22}/(\d{9,12}/[va]/)"), rf"/{MASK}/\1"),
)


class LinePipe:
    """Lines on their way to a stream, at most `capacity`, written by one thread."""

    def __init__(self, stream: TextIO, capacity: int) -> None:
        self._stream = stream
        self._lines: queue.Queue[str | None] = queue.Queue(capacity)
        self._dropped = 0
        self._thread = threading.Thread(target=self._write, name="logs", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Lines that were lost because the reader was too slow."""
        return self._dropped

    @property
    def waiting(self) -> int:
        """Lines that are not written yet."""
        return self._lines.qsize()

    def put_nowait(self, line: str) -> None:
        """Have `line` written, unless too many wait."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._dropped += 1

    def close(self) -> None:
        """Write what waits, for at most `CLOSE_S`."""
        try:
            self._lines.put(None, timeout=CLOSE_S)
        except queue.Full:
            return
        self._thread.join(CLOSE_S)

    def __repr__(self) -> str:
        return f"<LinePipe waiting={self.waiting} dropped={self._dropped}>"

    def _write(self) -> None:
        told = 0
        while (line := self._lines.get()) is not None:
            try:
                self._stream.write(line + "\n")
                if self._dropped > told:
                    told = self._dropped
                    self._stream.write(
                        f'{{"level":"warning","event":"logs.dropped","lines":{told}}}\n'
                    )
                if self._lines.empty():
                    self._stream.flush()
            except (OSError, ValueError):
                # The reader is gone; there is nobody left to tell.
                self._dropped += 1


@contextmanager
def open_logs(
    stream: TextIO, *, level: Level = "info", form: Format = "json", backlog_lines: int = 10_000
) -> Iterator[LinePipe]:
    """Send what structlog and `logging` are told to `stream`, until the block ends.

    For the process as a whole: both libraries keep one configuration.
    """
    pipe = LinePipe(stream, backlog_lines)
    handler = _PipeHandler(pipe)
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
        redact,
    ]
    colours = stream.isatty() and form == "text"
    rendered: Any = (
        structlog.processors.JSONRenderer(serializer=_json)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=colours, timestamp_key="at", pad_event_to=0)
    )
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(),
                *shared,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, rendered],
        )
    )
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, rendered],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: _PipeLogger(pipe),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    root.handlers[:] = [handler]
    root.setLevel(number)
    # These tell at "info" what every request does; our own access line is the gateway's business.
    for chatty in ("asyncio", "sanic.access", "aiohttp.access"):
        logging.getLogger(chatty).setLevel(max(number, logging.WARNING))
    # Cassandra warns at each sum over a handful of partitions, which is what we mean; several a second.
    logging.getLogger("cassandra.protocol").setLevel(max(number, logging.ERROR))
    try:
        yield pipe
    finally:
        root.handlers[:], root.level = before
        structlog.reset_defaults()
        pipe.close()


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask what must not be read later; a structlog processor."""
    for name, value in event.items():
        event[name] = MASK if _SECRET_NAMES.search(name) else _masked(value, MAX_DEPTH)
    return event


def _masked(value: object, depth: int) -> object:
    if isinstance(value, str):
        return _masked_text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth == 0 or isinstance(value, bytes | bytearray | memoryview):
        return MASK
    if isinstance(value, Mapping):
        return {
            str(name): MASK if _SECRET_NAMES.search(str(name)) else _masked(each, depth - 1)
            for name, each in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(each, depth - 1) for each in value]
    return _masked_text(repr(value))


def _masked_text(text: str) -> str:
    for pattern, instead in _SECRETS_IN_TEXT:
        text = pattern.sub(instead, text)
    return text


def _json(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS).decode(
        errors="replace"
    )


class _PipeLogger:
    """The end of structlog's chain."""

    __slots__ = ("_pipe",)

    def __init__(self, pipe: LinePipe) -> None:
        self._pipe = pipe

    def msg(self, line: str) -> None:
        self._pipe.put_nowait(line)

    debug = info = warning = error = critical = exception = fatal = log = msg


class _PipeHandler(logging.Handler):
    """The end of the standard library's chain."""

    def __init__(self, pipe: LinePipe) -> None:
        super().__init__()
        self._pipe = pipe

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._pipe.put_nowait(self.format(record))
        except Exception:
            self.handleError(record)
