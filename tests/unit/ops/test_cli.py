"""The command line: exit codes and words."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from ops import cli


@pytest.fixture(autouse=True)
def no_settings(monkeypatch, tmp_path):
    monkeypatch.setenv("KINORA_DATA_DIR", str(tmp_path / "data"))


def test_help_names_every_command():
    shown = CliRunner().invoke(cli.kinora, ["--help"])
    assert shown.exit_code == 0
    for command in ("run", "demo", "config", "check", "clip"):
        assert f"  {command} " in shown.output


def test_help_and_run_load_neither_pyav_nor_the_tools():
    code = (
        "import sys, ops.cli; ops.cli.main(['run', '--help']); "
        "print([m for m in ('av', 'rich', 'aiohttp', 'sanic', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("[]")


def test_settings_that_are_wrong_are_a_matter_of_usage(monkeypatch, capsys):
    monkeypatch.setenv("KINORA_PROT", "1")
    monkeypatch.setenv("KINORA_PORT", "x")
    assert cli.main(["config"]) == cli.USAGE
    told = capsys.readouterr().err
    assert "KINORA_PROT" in told
    assert "KINORA_PORT" in told


def test_config_says_where_a_value_comes_from(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("KINORA_PORT", "9000")
    assert cli.main(["config"]) == cli.OK
    line = next(each for each in capsys.readouterr().out.splitlines() if "KINORA_PORT " in each)
    assert line.split() == ["KINORA_PORT", "9000", "8000", "environment"]
    assert cli.main(["config", "--docs"]) == cli.OK


def test_a_check_of_nothing_says_what_to_name(capsys):
    assert cli.main(["check"]) == cli.CANNOT
    assert "--data-dir" in capsys.readouterr().err


def test_a_demo_without_a_product_says_to_start_it(monkeypatch, capsys):
    monkeypatch.setattr("ops.demo.command.START_S", 0.0)
    assert cli.main(["demo", "--url", "http://127.0.0.1:9"]) == cli.CANNOT
    assert "make run" in capsys.readouterr().err


def test_an_unknown_option_is_a_matter_of_usage():
    assert cli.main(["demo", "--nonsense"]) == cli.USAGE


def test_a_clip_is_not_written_over_another_file(tmp_path, capsys):
    file = tmp_path / "mine.mp4"
    file.write_text("mine")
    assert cli.main(["clip", str(file)]) == cli.CANNOT
    assert file.read_text() == "mine"


def test_a_clip_is_made(tmp_path):
    file = tmp_path / "clip.mp4"
    assert cli.main(["clip", str(file), "--seconds", "0.3", "--seed", "4"]) == cli.OK
    assert file.read_bytes()[4:8] == b"ftyp"
    assert [each.name for each in tmp_path.iterdir()] == ["clip.mp4"]
