"""`wrk`, where there is one: the tool that testers know, held against our generator.

https://github.com/wg/wrk; `apt install wrk`, `brew install wrk`. It sends the same requests from the same
core, on as many connections, and must come to about the same throughput; both are printed.
"""

import re
import subprocess
from pathlib import Path

from tests.benchmarks.cores import pin
from tests.benchmarks.report import Broken

_RATE = re.compile(r"^Requests/sec: *([\d.]+)", re.MULTILINE)
_SCRIPT = """
local tokens = {}
for line in io.lines("%s") do tokens[#tokens + 1] = "Bearer " .. line end
local at = 0
request = function()
  at = at %% #tokens + 1
  return wrk.format("GET", nil, {["Authorization"] = tokens[at]})
end
"""


def per_s(
    program: str, url: str, tokens: list[str], folder: Path, core: int | None, *, seconds: int
) -> float:
    """Requests a second for GET `url` with these tokens in turn, as wrk sees it.

    Raises:
        Broken: it does not run, or some answer was no 2xx.
    """
    listed, script = folder / "tokens.txt", folder / "feed.lua"
    listed.write_text("\n".join(tokens))
    script.write_text(_SCRIPT % listed)
    child = subprocess.Popen(
        [program, "-t1", "-c32", f"-d{seconds}s", "-s", str(script), url],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    pin(child.pid, core)
    try:
        said, _ = child.communicate(timeout=seconds + 30)
    finally:
        child.kill()
        child.wait()
    rate = _RATE.search(said)
    if rate is None or "Non-2xx" in said or "Socket errors" in said:
        raise Broken(f"wrk says: {said[-1000:]}")
    return float(rate[1])
