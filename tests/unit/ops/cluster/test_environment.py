"""What processes of a cluster are told is what the settings know, and leads nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.links.address import UNIX_PATH_BYTES
from ops.cluster.environment import process_environment
from ops.cluster.record import Cluster, ClusterFolder, FolderUnusable, Shape, text_secret
from ops.engines.ports import EnginePorts
from ops.settings import Settings
from ops.supervisor.control import MAX_SOCKET_PATH_BYTES


@pytest.fixture
def folder(tmp_path: Path) -> ClusterFolder:
    made = ClusterFolder(tmp_path / "cluster")
    made.make()
    text_secret(made.minio_secret)
    return made


def cluster(**shape: object) -> Cluster:
    made = Shape(**shape)  # type: ignore[arg-type]
    return Cluster(id="c0ffee", shape=made, host="127.0.0.1", port=8000, ports=EnginePorts())


def test_every_name_is_a_setting_and_every_value_of_its_form(folder: ClusterFolder):
    told = process_environment(cluster(cassandra=3, nodes=3), folder, {})

    settings = Settings.from_env(told)

    assert settings.fleet.run_dir == folder.run
    assert list(settings.fleet.addresses()) == ["node-0", "node-1", "node-2"]
    assert settings.cassandra.contact_points == tuple(f"127.0.0.{n}:7400" for n in (1, 2, 3))
    assert settings.minio_secret_key.reveal() == folder.minio_secret.read_text()
    assert settings.data_dir == folder.data


def test_a_shell_changes_how_the_product_behaves_and_not_where_its_engines_are(
    folder: ClusterFolder,
):
    shell = {
        "KINORA_LOG_LEVEL": "debug",
        "KINORA_REDIS_NODES": "somebody.else:6379",
        "KINORA_MINIO_SECRET_KEY": "of somebody else",
        "KINORA_DATA_DIR": "elsewhere",
    }

    settings = Settings.from_env(process_environment(cluster(), folder, shell))

    assert settings.log_level == "debug"
    assert "127.0.0.1:7100" in settings.redis.nodes
    assert settings.minio_secret_key.reveal() == folder.minio_secret.read_text()
    assert settings.data_dir == folder.data


def test_a_secret_is_made_once_and_for_its_owner_only(folder: ClusterFolder):
    file = folder.secrets / "edge.key"
    first = text_secret(file)

    assert text_secret(file) == first
    assert len(first) == 40
    assert file.stat().st_mode & 0o777 == 0o600
    assert folder.path.stat().st_mode & 0o777 == 0o700


def test_a_record_survives_and_a_damaged_one_is_refused(folder: ClusterFolder):
    folder.keep(cluster())
    assert folder.cluster() == cluster()

    folder.record.write_text('{"id": "c0ffee"}')

    with pytest.raises(FolderUnusable, match="--dir"):
        folder.cluster()


def test_supervisor_and_link_agree_on_how_long_the_path_of_a_socket_may_be():
    assert MAX_SOCKET_PATH_BYTES == UNIX_PATH_BYTES
