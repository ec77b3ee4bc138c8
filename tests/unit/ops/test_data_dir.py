"""The data folder: one holder, private, and its secrets stay."""

import os
import signal
import stat
import subprocess
import sys

import pytest

from ops.data_dir import DataDir, DataDirTaken, DataDirUnusable, open_data_dir
from ops.ports_file import Ports, read_ports

HOLD = """
import sys
from pathlib import Path
from ops.data_dir import open_data_dir
with open_data_dir(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_folder_is_private_and_has_its_places(tmp_path):
    with open_data_dir(tmp_path / "data") as opened:
        folder = opened.dir
        assert mode(folder.path) == 0o700
        assert all(each.is_dir() for each in (folder.blobs, folder.secrets, folder.scratch))
        assert folder.lock.read_text() == f"{os.getpid()}\n"


def test_a_second_one_is_told_who_holds_it_and_a_killed_holder_lets_go(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path / "data")]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert DataDir(tmp_path / "data").is_held()
        with pytest.raises(DataDirTaken, match=str(holder.pid)), open_data_dir(tmp_path / "data"):
            pass
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    assert not DataDir(tmp_path / "data").is_held()
    with open_data_dir(tmp_path / "data"):
        pass


def test_a_secret_is_made_once_and_readable_by_its_owner_alone(tmp_path):
    with open_data_dir(tmp_path) as opened:
        first = opened.dir.secret("mac.key")
        assert opened.dir.secret("mac.key") == first
        assert len(first) == 32
        assert mode(opened.dir.secrets / "mac.key") == 0o600
        assert [each.name for each in opened.dir.secrets.iterdir()] == ["mac.key"]


def test_ports_are_there_while_it_runs_and_gone_afterwards(tmp_path):
    ports = Ports(url="http://127.0.0.1:1", metrics_url="http://127.0.0.1:2/metrics", pid=3)
    with open_data_dir(tmp_path) as opened:
        opened.publish(ports)
        assert DataDir(tmp_path).ports() == ports
    assert DataDir(tmp_path).ports() is None


def test_a_ports_file_that_is_not_ours_is_no_ports_file(tmp_path):
    file = tmp_path / "ports.json"
    file.write_text("[1, 2")
    assert read_ports(file) is None


def test_leftovers_of_the_encoder_are_gone_after_a_start(tmp_path):
    with open_data_dir(tmp_path) as opened:
        (opened.dir.scratch / "job" / "deep").mkdir(parents=True)
    with open_data_dir(tmp_path) as opened:
        assert list(opened.dir.scratch.iterdir()) == []


def test_a_place_that_cannot_be_a_folder_is_told_in_words(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(DataDirUnusable, match="KINORA_DATA_DIR"), open_data_dir(file):
        pass
