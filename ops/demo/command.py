"""`kinora demo`: from options to a printed report."""

import asyncio
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import aiohttp
import msgspec
from rich.console import Console

from actors.ports.clock import Clock, SystemClock
from ops.demo.clips import find_clips, make_clips
from ops.demo.expectations import read_expectations
from ops.demo.report import Report, RichScreen, show
from ops.demo.run import Plan, run_demo
from ops.errors import CannotGoOn

#: How long the demo waits for a server that is still starting, in seconds.
START_S = 15.0


class NobodyAnswers(CannotGoOn):
    """There is no Kinora at the address."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"Nobody answers at {url}.\n"
            "Start the product first (make run), or say where it is: kinora demo --url http://..."
        )


def demo(
    find_url: Callable[[], str],
    *,
    clips: Path | None,
    users: int,
    seed: int,
    timeout_s: float,
    json_file: Path | None,
) -> Report:
    """Play the demo against the product at `find_url()` and print what came of it.

    Raises:
        CannotGoOn: there is no product, or there are no clips.
    """
    console = Console(stderr=True)
    clock = SystemClock()

    async def everything() -> Report:
        await _wait_for_server(find_url, clock)
        with (
            tempfile.TemporaryDirectory(prefix="kinora-demo-") as scratch,
            RichScreen(console) as screen,
        ):
            if clips is None:
                screen.act("Making clips")
                found, expected = await make_clips(Path(scratch), seed), {}
            else:
                found, expected = find_clips(clips), read_expectations(clips)
            plan = Plan(clips=found, users=users, seed=seed, timeout_s=timeout_s, expected=expected)
            entropy = random.SystemRandom().getrandbits(64)
            return await run_demo(plan, find_url, clock=clock, entropy=entropy, screen=screen)

    report = asyncio.run(everything())
    show(report, Console())
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    return report


async def _wait_for_server(find_url: Callable[[], str], clock: Clock) -> None:
    until = clock.monotonic() + START_S
    timeout = aiohttp.ClientTimeout(total=5.0)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        while True:
            try:
                async with http.get(f"{find_url()}/readyz") as response:
                    if response.status == 200:
                        return
            except (aiohttp.ClientError, TimeoutError, OSError):
                pass
            if clock.monotonic() > until:
                raise NobodyAnswers(find_url())
            await clock.sleep(0.3)
