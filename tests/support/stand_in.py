"""A process of the fleet without the fleet: it tells its incarnation, is ready, and ends as it is told.

    stand_in.py NAME RUN_DIR [--exit CODE] [--after-s SECONDS] [--print BYTES] [--deaf] [--unready]

Standard library only, so that it starts at once.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--exit", type=int)
    parser.add_argument("--after-s", type=float, default=0.0)
    parser.add_argument("--print", type=int, default=0)
    parser.add_argument("--deaf", action="store_true")
    parser.add_argument("--unready", action="store_true")
    # What the real commands take besides is nothing to it.
    given, _ = parser.parse_known_args()
    run: Path = given.run_dir
    run.mkdir(parents=True, exist_ok=True)
    with (run / f"{given.name}.lives").open("a") as lives:
        lives.write(f"{os.getpid()} {time.monotonic():.3f}\n")
    (run / f"{given.name}.incarnation").write_text(f"{given.name}.{os.getpid()}")
    dead = run / f"{given.name}.dead"
    print("dead:", dead.read_text().split() if dead.exists() else [], flush=True)
    if given.print:
        os.write(1, b"x" * given.print)
    if given.deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if given.exit is not None and not given.after_s:
        return int(given.exit)
    if not given.unready:
        draft = run / f".{given.name}.draft"
        draft.write_text(json.dumps({"pid": os.getpid(), "address": f"stand-in:{given.name}"}))
        draft.replace(run / f"{given.name}.ready.json")
    if given.exit is not None:
        time.sleep(given.after_s)
        return int(given.exit)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    sys.exit(main())
