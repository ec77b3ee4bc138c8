"""Does it answer? One question per engine, asked over a plain socket, no driver.

Each answers False for whatever is not a good answer within its time: a supervisor asks again. Probes ask
what a client needs (a write path that is open), not merely whether a port accepts.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

#: How long one question may take, in seconds.
ANSWER_S = 2.0

#: What a client of the CQL native protocol, version 4, says first: OPTIONS, empty, stream 0.
_CQL_OPTIONS = bytes((0x04, 0, 0, 0, 0x05, 0, 0, 0, 0))
#: And what a server answers: SUPPORTED.
_CQL_SUPPORTED = 0x06

#: A reply longer than this is no reply to our questions, in bytes.
_LIMIT = 65_536


async def redis_pings(host: str, port: int) -> bool:
    """Whether a Redis has loaded its data and answers."""
    return await redis_says(host, port, "PING") == "+PONG"


async def redis_says(host: str, port: int, *words: str) -> str | None:
    """What a Redis answers to one command, bulk or simple, as text; None where it does not."""
    asked = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    with contextlib.suppress(OSError, TimeoutError, EOFError, ValueError):
        async with _talk(host, port) as (reader, writer):
            writer.write(asked.encode())
            first = (await reader.readline()).decode().rstrip("\r\n")
            if not first.startswith("$"):
                return first or None
            return (await reader.readexactly(max(0, int(first[1:])))).decode()
    return None


async def nats_serves_streams(host: str, port: int) -> bool:
    """Whether a NATS server answers, and JetStream in it."""
    inbox = "_INBOX.ready"
    hello = (
        'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}\r\n'
        f"SUB {inbox} 1\r\nPUB $JS.API.INFO {inbox} 0\r\n\r\nPING\r\n"
    )
    with contextlib.suppress(OSError, TimeoutError, EOFError, ValueError):
        async with _talk(host, port) as (reader, writer):
            if not (await reader.readline()).startswith(b"INFO "):
                return False
            writer.write(hello.encode())
            while line := await reader.readline():
                if line.startswith(b"HMSG "):
                    return False
                if line.startswith(b"MSG "):
                    return b'"error"' not in await reader.readexactly(int(line.split()[-1]))
    return False


async def cql_answers(host: str, port: int) -> bool:
    """Whether a Cassandra takes clients."""
    with contextlib.suppress(OSError, TimeoutError, EOFError):
        async with _talk(host, port) as (reader, writer):
            writer.write(_CQL_OPTIONS)
            header = await reader.readexactly(len(_CQL_OPTIONS))
            return header[4] == _CQL_SUPPORTED
    return False


async def http_answers(host: str, port: int, path: str, *, below: int = 300) -> bool:
    """Whether GET of `path` is answered with a status below `below`."""
    asked = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
    with contextlib.suppress(OSError, TimeoutError, EOFError, ValueError):
        async with _talk(host, port) as (reader, writer):
            writer.write(asked.encode())
            words = (await reader.readline()).split()
            return len(words) > 1 and words[0].startswith(b"HTTP/1") and int(words[1]) < below
    return False


@asynccontextmanager
async def _talk(
    host: str, port: int
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with asyncio.timeout(ANSWER_S):
        reader, writer = await asyncio.open_connection(host, port, limit=_LIMIT)
        try:
            yield reader, writer
        finally:
            # Not closed in the ordinary way: a half-started engine need not take part.
            writer.transport.abort()
