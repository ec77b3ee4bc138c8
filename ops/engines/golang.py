"""Engines that the Go toolchain builds from a pinned version.

The toolchain verifies every module against the public checksum database, as its user configured it
(GOPROXY, GOSUMDB, GOTOOLCHAIN and their like are honoured).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from ops.engines.debian import tail
from ops.engines.found import EngineMissing, version_in
from ops.engines.table import GO_FETCHES_GO, Entry, Golang

#: How long one build may take, in seconds: the largest takes three minutes on two slow cores.
_BUILD_S = 1800.0


def build(line: Entry, way: Golang, target: Path) -> None:
    """Build `line` into `target`.

    Raises:
        EngineMissing: there is no Go, it is too old, or it cannot build this.
    """
    go = check_go(line, way)
    env = {**os.environ, "GOBIN": str(target), "CGO_ENABLED": "0"}
    # A workspace of wherever we are called is none of this build's business.
    env |= {"GOWORK": "off", "GO111MODULE": "on"}
    done = subprocess.run(
        (go, "install", "-trimpath", "-ldflags=-s -w", f"{way.package}@{way.version}"),
        cwd=target,
        env=env,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=_BUILD_S,
    )
    if done.returncode != 0:
        raise EngineMissing(
            f"Go could not build {line.name} {line.version}:\n{tail(done)}\n"
            "If that is about the network: Go's own settings (GOPROXY, HTTPS_PROXY) are honoured."
        )
    if way.built != way.program:
        (target / way.built).rename(target / way.program)


def check_go(line: Entry, way: Golang) -> str:
    """Where a Go is that builds `line`, by itself or by the newer one that it fetches.

    Raises:
        EngineMissing: there is none, or it is too old.
    """
    wanted = ".".join(map(str, way.go))
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        raise EngineMissing(
            f"{line.name} is built by Go {wanted} or newer, and there is no go on the PATH."
        )
    # Asked outside any module, whose own wishes would be answered instead.
    said = subprocess.run(
        (go, "env", "GOVERSION", "GOTOOLCHAIN"), capture_output=True, text=True, cwd="/"
    ).stdout
    version, _, toolchain = said.partition("\n")
    numbers = version_in(version.replace("go", " ")) or (0,)
    if numbers < way.go and (numbers < GO_FETCHES_GO or "auto" not in toolchain):
        raise EngineMissing(
            f"{line.name} is built by Go {wanted} or newer, and {go} is {version.strip() or 'mute'}."
        )
    return go
