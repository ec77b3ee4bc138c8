"""Make `.venv` ready, or say in one sentence what is in the way.

This file runs before anything is installed, on whatever Python the machine has: it may use the
standard library only, and must at least parse on an old one to say that it is too old. It keeps
one promise: an environment that carries the stamp of today's inputs is complete. The stamp is
written last, so an interrupted set-up is never taken for a finished one, and a second call has
nothing to do but look for a file.
"""

from __future__ import annotations

import argparse
import configparser
import contextlib
import fcntl
import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCKS = {"run": ROOT / "requirements" / "run.txt", "test": ROOT / "requirements" / "test.txt"}

PYTHONS = ((3, 11), (3, 12))

#: What resolves the locks; needed by `make lock` alone, hence in no lock itself.
RESOLVER = "uv >=0.9, <1"

LOCK_HEADER = "# Made by `make lock` from setup.cfg, for Python 3.11 and 3.12. Not to be edited.\n"


class CannotSetUp(Exception):
    """The machine lacks something; the message names it and the fix."""


def ensure(purpose: str) -> None:
    """Make `.venv` fit for *purpose* ("run" or "test"; the latter includes the former).

    Raises:
        CannotSetUp: with what to do about it.
    """
    check_python()
    with one_at_a_time():
        stamp = current_stamp()
        run, test = VENV / f".ready-run-{stamp}", VENV / f".ready-test-{stamp}"
        if test.exists() or (purpose == "run" and run.exists()):
            return
        began = time.monotonic()
        version = ".".join(map(str, sys.version_info[:3]))
        say(f"Setting up .venv to {purpose} (Python {version}), once ...")
        if not run.exists():
            make_environment()
        install(LOCKS[purpose])
        install_ourselves()
        for ready in (run, test) if purpose == "test" else (run,):
            ready.touch()
        say(f"Ready after {time.monotonic() - began:.0f} s.")


def check_python() -> None:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] not in PYTHONS:
        raise CannotSetUp(
            f"Kinora needs Python 3.11 or 3.12, and {sys.executable} is {found}.\n"
            "Name one that fits: make PYTHON=/path/to/python3.12 ..."
        )
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing:
        short = ".".join(found.split(".")[:2])
        raise CannotSetUp(
            f"This Python {short} lacks its module {' and '.join(missing)}, so it cannot make a"
            " virtual environment.\n"
            f"On Debian or Ubuntu: apt install python{short}-venv\n"
            "Or name another Python: make PYTHON=/path/to/python3.12 ..."
        )


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Hold the checkout's set-up lock, so that two terminals do not build one environment."""
    with LOCKS["run"].open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another set-up is under way here; waiting for it ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def current_stamp() -> str:
    """Digest everything that a ready environment depends on.

    The place counts too: scripts of an environment name their interpreter by its full path, so
    one that was moved or copied is of no use.
    """
    setup = read_setup()
    about_us = {name: dict(setup[name]) for name in setup if name.split(".")[0] == "options"}
    parts = [sys.version, sys.base_prefix, str(ROOT), repr(about_us), setup["metadata"]["version"]]
    parts += [path.read_text() for path in (*LOCKS.values(), ROOT / "pyproject.toml")]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def make_environment() -> None:
    # Cleared, not patched: what an older lock installed must not linger. And by the base
    # interpreter, since `python3` is the very one to be cleared where `.venv` is activated.
    python = getattr(sys, "_base_executable", None) or sys.executable
    made = subprocess.run(
        [python, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True
    )
    if made.returncode != 0:
        raise CannotSetUp(f"No virtual environment could be made at {VENV}:\n{tail(made)}")


def install(lock: Path) -> None:
    """Install what *lock* pins: wheels only, each checked against its hash."""
    done = pip("install", "--require-hashes", "--only-binary", ":all:", "-r", str(lock))
    if done.returncode == 0:
        return
    said = done.stdout + done.stderr
    if "No matching distribution" in said and "Retrying" not in said:
        raise CannotSetUp(
            f"{tail(done)}\nThe package index has no wheel of it for this machine (if pip reached"
            " the index at all), and Kinora compiles nothing. Wheels exist for Linux on x86-64 and"
            " arm64 (glibc 2.28 or newer, or musl) and for macOS 14 or newer on arm64."
        )
    if "HASHES" in said:
        raise CannotSetUp(
            f"{tail(done)}\nA download is not the file that {lock.name} names. Try again; if it"
            " stays so, the package index or a proxy in between serves something else."
        )
    if "Errno 28" in said:
        raise CannotSetUp(f"The disk is full. {VENV} needs some 500 MB.")
    raise CannotSetUp(
        f"{tail(done)}\nIf that is about the network: the first set-up downloads wheels. pip's own"
        " settings (PIP_INDEX_URL, PIP_PROXY, PIP_CERT, pip.conf) are honoured."
    )


def install_ourselves() -> None:
    """Put the checkout itself on the environment's path, with its `kinora` command.

    The lock holds setuptools, so this asks no index and works without a network.
    """
    # "compat" puts the whole checkout on the path, so packages added later are found as well.
    alone = ("--no-deps", "--no-build-isolation", "--no-index")
    compat = ("--config-settings", "editable_mode=compat")
    done = pip("install", *alone, *compat, "--editable", str(ROOT))
    if done.returncode != 0:
        raise CannotSetUp(f"The checkout could not be installed into .venv:\n{tail(done)}")


def pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    quiet = ("--quiet", "--no-input", "--disable-pip-version-check")
    command = [str(VENV / "bin" / "python"), "-m", "pip", *arguments, *quiet]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def tail(done: subprocess.CompletedProcess[str], lines: int = 12) -> str:
    return "\n".join((done.stdout + done.stderr).strip().splitlines()[-lines:])


def lock(upgrade: bool) -> None:
    """Write both locks anew from the bounds in setup.cfg.

    Pins that still fit are kept unless *upgrade*. Each lock is universal: markers, not the machine
    at hand, say which Python or system a line is for.
    """
    check_python()
    setup = read_setup()
    extras = setup["options.extras_require"]
    run = setup["options"]["install_requires"] + extras["build"]
    with tempfile.TemporaryDirectory() as folder:
        say("Resolving; the locks change only where setup.cfg or an upgrade asks for it ...")
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip_there = [str(Path(folder, "bin", "python")), "-m", "pip", "--quiet"]
        subprocess.run([*pip_there, "install", "--only-binary", ":all:", RESOLVER], check=True)
        resolver = Path(folder, "bin", "uv")
        resolve(resolver, run, LOCKS["run"], [], upgrade)
        agree = ["--constraints", str(LOCKS["run"])]
        resolve(resolver, run + extras["test"], LOCKS["test"], agree, upgrade)


def resolve(resolver: Path, wanted: str, to: Path, options: list[str], upgrade: bool) -> None:
    command = [str(resolver), "pip", "compile", "-", "--quiet", "--universal"]
    command += ["--python-version", ".".join(map(str, PYTHONS[0])), "--only-binary", ":all:"]
    command += ["--generate-hashes", "--no-header", "--no-emit-index-url", "--no-emit-find-links"]
    command += ["--annotation-style", "line", "--output-file", str(to), *options]
    command += ["--upgrade"] if upgrade else []
    # Bounds and comments go in as they stand in setup.cfg: both are the resolver's own syntax.
    subprocess.run(command, input=wanted, text=True, check=True, stdout=subprocess.DEVNULL)
    # "via" is to name who asked for a package, not that the other lock has it too.
    text = re.sub(r",? -c \S+$", "", to.read_text(), flags=re.MULTILINE)
    to.write_text(LOCK_HEADER + re.sub(r"^ +# via\n", "", text, flags=re.MULTILINE))


def read_setup() -> configparser.ConfigParser:
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg")
    return setup


def say(line: str) -> None:
    print(line, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("goal", choices=("run", "test", "lock"))
    parser.add_argument("--upgrade", action="store_true", help="lock: take the newest that fit")
    arguments = parser.parse_args()
    try:
        if arguments.goal == "lock":
            lock(arguments.upgrade)
        else:
            ensure(arguments.goal)
    except CannotSetUp as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped half-way; the next call starts over.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
