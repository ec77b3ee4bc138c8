"""What stands in the way of a start is told in words that name the way out, with its exit code."""

import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from gateway.settings import GatewaySettings
from tests.support.product import (
    ROOT,
    child_product,
    environment,
    kinora,
)

USAGE, CANNOT = 2, 3
#: How long an idle product may take to end, in seconds, on a machine that has much else to do.
END_S = 5.0


def test_a_busy_port_is_named_with_the_setting_that_helps(tmp_path: Path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = kinora(tmp_path / "data", "run", env={"KINORA_PORT": str(port)})
    assert done.returncode == CANNOT
    assert f"Port {port} on 127.0.0.1 is taken" in done.stderr
    assert "KINORA_PORT=" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_data_folder_in_use_is_named_with_its_holder(tmp_path: Path):
    with child_product(tmp_path / "data") as product:
        done = kinora(product.data, "run")
        assert done.returncode == CANNOT
        assert f"in use by process {product.pid}" in done.stderr
        assert "KINORA_DATA_DIR=" in done.stderr
        assert product.process is not None
        assert product.process.poll() is None, "the first one goes on"


def test_too_few_open_files_are_told_with_the_command_that_raises_them(tmp_path: Path):
    program = "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))"
    program += "; sys.argv = ['kinora', 'run']; runpy.run_module('ops.cli', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment(tmp_path / "data"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == CANNOT, done.stderr
    assert "may open 256 files" in done.stderr
    assert "ulimit -n 1024" in done.stderr
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] != 256


def test_unknown_names_and_bad_values_are_told_together(tmp_path: Path):
    bad = {
        "KINORA_PORTT": "8000",
        "KINORA_PORT": "ninety",
        "KINORA_LOG_LEVEL": "loud",
        "KINORA_ACTORS_TICK_S": "soon",
    }
    done = kinora(tmp_path / "data", "run", env=bad)
    assert done.returncode == USAGE
    for name in bad:
        assert name in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists(), "nothing was made before the settings were understood"


def test_ctrl_c_ends_an_idle_product_at_once(tmp_path: Path):
    as_shipped = {"KINORA_GATEWAY_DRAIN_NOTICE_S": str(GatewaySettings().drain_notice_s)}
    with child_product(tmp_path / "data", as_shipped) as product:
        began = time.monotonic()
        product.tell(signal.SIGINT)
        assert product.wait(10) == 0
        # A second on an idle machine.
        assert time.monotonic() - began < END_S
        assert not (product.data / "ports.json").exists()
        assert "Traceback" not in product.tail()
        first = product.port
        product.start()
        assert product.port == first, "the port is free again at once"


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path):
    slow = {"KINORA_GATEWAY_DRAIN_NOTICE_S": "30"}
    with child_product(tmp_path / "data", slow) as product:
        product.tell(signal.SIGINT)
        time.sleep(0.3)
        product.tell(signal.SIGINT)
        assert product.wait(5) == -signal.SIGINT


def test_it_serves_twice_in_a_row_from_one_folder(tmp_path: Path):
    with child_product(tmp_path / "data") as product:
        product.tell(signal.SIGTERM)
        assert product.wait(20) == 0
        product.start()
        product.tell(signal.SIGTERM)
        assert product.wait(20) == 0
