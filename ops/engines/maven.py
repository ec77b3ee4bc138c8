"""Cassandra as the jars that it is published as, with all that they need to run.

Maven verifies each file against the checksum beside it and, told to be strict, refuses one that differs.
Its user's settings (mirrors, proxies) are honoured.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from ops.engines.debian import tail
from ops.engines.found import EngineMissing, find_java
from ops.engines.table import Entry, Maven

#: What copies; pinned, for Maven would take whatever its own version was born with.
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:2.8"

#: How long it may take, in seconds.
_COPY_S = 900.0


def build(line: Entry, way: Maven, target: Path) -> None:
    """Copy the jars of `line` into `target`/lib.

    Raises:
        EngineMissing: there is no Maven, no Java that runs it, or Maven cannot get it.
    """
    java = find_java(os.environ)
    maven = shutil.which("mvn")
    if maven is None:
        raise EngineMissing(f"{line.name} is had by Maven, and there is no mvn: {line.otherwise}")
    pom = target / "pom.xml"
    pom.write_text(pom_of(way))
    done = subprocess.run(
        (
            *(maven, "-q", "-B", "--strict-checksums", "-f", str(pom)),
            *(f"{_PLUGIN}:copy-dependencies", "-DincludeScope=runtime"),
            f"-DoutputDirectory={target / 'lib'}",
        ),
        cwd=target,
        # The Java that runs the engine also runs Maven: one less that has to be right.
        env={**os.environ, "JAVA_HOME": str(java.resolve().parent.parent)},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=_COPY_S,
    )
    if done.returncode != 0 or not (target / "lib" / f"{way.artifact}-{way.version}.jar").exists():
        raise EngineMissing(
            f"Maven could not get {line.name} {line.version}:\n{tail(done)}\n"
            "If that is about the network: Maven's own settings (~/.m2/settings.xml) are honoured."
        )


def pom_of(way: Maven) -> str:
    """A project that is nothing but its one dependency."""
    return f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>kinora</groupId>
  <artifactId>{way.artifact}-to-run</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>{way.group}</groupId>
      <artifactId>{way.artifact}</artifactId>
      <version>{way.version}</version>
    </dependency>
  </dependencies>
</project>
"""
