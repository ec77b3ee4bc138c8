"""What `kinora run` says once it serves: where, and what to try first."""

from pathlib import Path

from ops.ports_file import Ports


def greeting(ports: Ports, data_dir: Path) -> str:
    """A few lines for the person at the terminal."""
    return f"""\
Kinora serves at {ports.url}   (data in {data_dir}, metrics at {ports.metrics_url})
Try first, in another terminal:
  .venv/bin/kinora demo                    eight people who use everything, and check what it says
  .venv/bin/kinora demo --clips FOLDER     the same with your own clips
  curl {ports.url}/openapi.json    every call
The README has a first session with curl.
Ctrl-C stops it."""
