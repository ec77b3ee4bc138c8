"""Settings out of an environment."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ops.environ import Secret, SettingsError, read, settings_of
from ops.settings import Settings, explain


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section for these tests."""

    #: Opens the door.
    key: Secret = field(default_factory=lambda: Secret(""))
    #: How many.
    count: int = 3
    #: None means as many as there are.
    most: int | None = None
    where: Path = Path("here")
    on: bool = False
    names: tuple[str, ...] = ()

    def __post_init__(self):
        if self.most is not None and self.most < self.count:
            raise ValueError("most must not be below count")


def test_an_empty_environment_gives_the_defaults():
    assert Settings.from_env({}) == Settings()


def test_every_wrong_name_and_value_is_told_at_once_with_the_form_it_should_have():
    with pytest.raises(SettingsError) as raised:
        Settings.from_env(
            {
                "KINORA_PROT": "1",
                "KINORA_PORT": "eighty",
                "KINORA_METRICS_PORT": "70000",
                "KINORA_LOG_FORMAT": "xml",
                "KINORA_PUBLIC_URL": "kinora.example",
                "KINORA_ACTORS_MAILBOX_CAPACITY": "0",
                "KINORA_GATEWAY_CALL_TIMEOUT_S": "nan",
                "PATH": "not ours",
            }
        )
    told = str(raised.value)
    assert len(raised.value.problems) == 7
    assert "did you mean KINORA_PORT?" in told
    assert "KINORA_METRICS_PORT='70000' must be a whole number from 0 to 65535." in told
    assert "one of json, text" in told
    assert "KINORA_ACTORS_MAILBOX_CAPACITY='0' must be a whole number above 0." in told


def test_what_kubernetes_injects_is_not_ours():
    injected = {
        "KINORA_PORT": "tcp://10.0.0.7:8000",
        "KINORA_SERVICE_HOST": "10.0.0.7",
        "KINORA_SERVICE_PORT": "8000",
        "KINORA_SERVICE_PORT_HTTP": "8000",
        "KINORA_GATEWAY_SERVICE_HOST": "10.0.0.8",
        "KINORA_PORT_8000_TCP": "tcp://10.0.0.7:8000",
        "KINORA_PORT_8000_TCP_ADDR": "10.0.0.7",
        "KINORA_NODE_PORT": "tcp://10.0.0.9:9000",
    }
    assert Settings.from_env(injected) == Settings()
    assert {line.source for line in explain(Settings(), injected)} == {"default"}


def test_sections_within_sections_are_reached_by_their_names():
    settings = Settings.from_env(
        {
            "KINORA_GATEWAY_LOGINS_PER_NAME_BURST": "20",
            "KINORA_MEDIA_LIMITS_MAX_PIXELS": "1000000",
            "KINORA_GATEWAY_ALLOWED_ORIGINS": "https://a.example, https://b.example",
        }
    )
    assert settings.gateway.logins_per_name.burst == 20
    assert settings.gateway.logins_per_name.per_s == Settings().gateway.logins_per_name.per_s
    assert settings.media.limits.max_pixels == 1_000_000
    assert settings.gateway.allowed_origins == ("https://a.example", "https://b.example")


def test_every_setting_can_be_set_to_its_own_default():
    simple = [each for each in settings_of(Settings) if isinstance(each.default, int | float | str)]
    assert Settings.from_env({each.name: str(each.default) for each in simple}) == Settings()


def test_every_setting_says_what_it_means():
    assert not [setting.name for setting in settings_of(Settings) if not setting.doc]
    names = [setting.name for setting in settings_of(Settings)]
    assert len(names) == len(set(names))


def test_a_secret_is_read_from_a_file_and_never_shown(tmp_path):
    file = tmp_path / "key"
    file.write_text("opensesame\n")
    section = read(Section, {"KINORA_KEY_FILE": str(file)})
    assert section.key.reveal() == "opensesame"
    assert "opensesame" not in f"{section!r} {section.key}"


def test_a_bad_secret_file_is_told_without_its_content(tmp_path):
    with pytest.raises(SettingsError) as raised:
        read(Section, {"KINORA_KEY_FILE": str(tmp_path / "none"), "KINORA_COUNT_FILE": "x"})
    assert len(raised.value.problems) == 2


def test_what_contradicts_itself_is_told_with_the_rest():
    with pytest.raises(SettingsError) as raised:
        read(Section, {"KINORA_COUNT": "5", "KINORA_MOST": "4", "KINORA_ON": "perhaps"})
    assert any("most must not be below count" in problem for problem in raised.value.problems)
    assert any("true or false" in problem for problem in raised.value.problems)


def test_none_is_written_none():
    assert read(Section, {"KINORA_MOST": "none"}).most is None
    assert read(Section, {"KINORA_MOST": "7", "KINORA_ON": "yes"}) == Section(most=7, on=True)


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, "http://127.0.0.1:9000"),
        ({"KINORA_HOST": "0.0.0.0"}, "http://127.0.0.1:9000"),
        ({"KINORA_HOST": "::1"}, "http://[::1]:9000"),
        ({"KINORA_PUBLIC_URL": "https://kinora.example"}, "https://kinora.example"),
    ],
)
def test_clients_are_told_an_address_that_they_can_use(environ, url):
    assert Settings.from_env(environ).url_at(9000) == url
