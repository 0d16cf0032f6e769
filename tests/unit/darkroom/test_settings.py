"""Settings: all faults are reported at once and by name, and the documented settings are the real ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from darkroom.cli import settings_docs
from darkroom.cli.settings_docs import Variable
from darkroom.errors import SettingsError
from darkroom.setting_fields import GROUPS
from darkroom.settings import PREFIX, PROJECT, Settings, read_settings

EXAMPLE = settings_docs.EXAMPLE.read_text()


def faults_of(**environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read_settings(environ)
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def test_an_empty_environment_gives_the_defaults() -> None:
    assert read_settings({}) == Settings()


def test_values_are_read_by_their_type() -> None:
    settings = read_settings(
        {
            "DARKROOM_PORT": "9000",
            "DARKROOM_JOB_EVENTS": "true",
            "DARKROOM_HEARTBEAT": "7.5",
            "DARKROOM_SPOOL_DIR": "/data/spool",
            "DARKROOM_RETENTION_DAYS": "30",
        }
    )

    assert settings.port == 9000
    assert settings.job_events is True
    assert settings.heartbeat == 7.5
    assert settings.spool_dir == Path("/data/spool")
    assert settings.retention_days == 30


def test_an_empty_value_means_not_set() -> None:
    assert read_settings({"DARKROOM_PORT": "", "DARKROOM_PUBLIC_URL": ""}) == Settings()


def test_other_variables_are_ignored() -> None:
    assert read_settings({"PATH": "/bin", "AWS_REGION": "eu-central-1", "DARKROOM_URL": "http://x"}) == Settings()


def test_settings_are_immutable() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().port = 1  # type: ignore[misc]


def test_all_faults_are_reported_at_once_with_their_variables() -> None:
    faults = faults_of(
        DARKROOM_PORT="eighty",
        DARKROOM_POLL_WAIT="21",
        DARKROOM_BUCKET="No Bucket",
        DARKROOM_QUEUE_TYPE="lifo",
        DARKROOM_CHILDRN="3",
    )

    assert {fault.split(":")[0] for fault in faults} == {
        "DARKROOM_PORT",
        "DARKROOM_POLL_WAIT",
        "DARKROOM_BUCKET",
        "DARKROOM_QUEUE_TYPE",
        "DARKROOM_CHILDRN",
    }


@pytest.mark.parametrize("name", [name for name, field in Settings.model_fields.items() if field.annotation is float])
@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e9"])
def test_every_duration_has_a_finite_maximum(name: str, value: str) -> None:
    assert [fault.split(":")[0] for fault in faults_of(**{PREFIX + name.upper(): value})] == [PREFIX + name.upper()]


def test_the_stop_grace_has_a_maximum() -> None:
    assert faults_of(DARKROOM_STOP_GRACE="100000")[0].startswith("DARKROOM_STOP_GRACE: ")


def test_a_fault_shows_the_value() -> None:
    assert "(it is 'eighty')" in faults_of(DARKROOM_PORT="eighty")[0]


@pytest.mark.parametrize(
    "name",
    ["OWNERS_FILE", "PORT", "PRESETS_FILE", "AUTH", "PUBLIC_URL", "WEBHOOK_PRIVATE_HOSTS", "FETCH_PRIVATE_HOSTS"],
)
@pytest.mark.parametrize("secret", ["dk_" + "x-Y_4" * 9, "whsec_" + "aB+/" * 8])
def test_a_secret_in_the_wrong_variable_is_a_fault_and_not_shown(name: str, secret: str) -> None:
    (fault,) = faults_of(**{PREFIX + name: secret})

    assert fault.startswith(f"{PREFIX}{name}: this variable must not hold an API key")
    assert secret not in fault


def test_a_misspelt_name_is_a_fault_with_a_suggestion() -> None:
    assert faults_of(DARKROOM_CHILDRN="3") == [
        "DARKROOM_CHILDRN: there is no such setting; did you mean DARKROOM_CHILDREN?"
    ]


def test_an_unknown_name_is_a_fault() -> None:
    assert faults_of(DARKROOM_XYZZY="3") == ["DARKROOM_XYZZY: there is no such setting"]


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"DARKROOM_LEASE": "30", "DARKROOM_HEARTBEAT": "16"}, ["DARKROOM_HEARTBEAT", "DARKROOM_LEASE"]),
        ({"DARKROOM_MAX_REQUEST_BYTES": "2000000"}, ["DARKROOM_MAX_REQUEST_BYTES", "DARKROOM_MAX_UPLOAD_BYTES"]),
        (
            {"DARKROOM_BACKOFF_BASE": "60", "DARKROOM_BACKOFF_CAP": "30"},
            ["DARKROOM_BACKOFF_CAP", "DARKROOM_BACKOFF_BASE"],
        ),
        (
            {"DARKROOM_RETENTION_DAYS": "1", "DARKROOM_UPLOAD_TTL": "43201"},
            ["DARKROOM_UPLOAD_TTL", "DARKROOM_RETENTION_DAYS"],
        ),
    ],
)
def test_settings_that_contradict_each_other_are_both_named(environ: dict[str, str], named: list[str]) -> None:
    (fault,) = faults_of(**environ)

    for name in named:
        assert name in fault


@pytest.mark.parametrize(
    "url", ["photos.example.com", "ftp://photos.example.com", "https://x.example/?a=b", "https://x/#y"]
)
def test_a_public_url_must_be_one_that_a_path_can_follow(url: str) -> None:
    (fault,) = faults_of(DARKROOM_PUBLIC_URL=url)

    assert fault.startswith("DARKROOM_PUBLIC_URL: ")


def test_links_have_no_double_slash() -> None:
    assert read_settings({"DARKROOM_PUBLIC_URL": "https://x.example/photos/"}).base_url == "https://x.example/photos"
    assert Settings().base_url == ""


def test_the_queue_type_changes_the_queue_name() -> None:
    assert Settings().photos_queue == "darkroom-photos"
    assert Settings(queue_type="fifo").photos_queue == "darkroom-photos.fifo"
    assert Settings(queue_type="fifo").photos_dlq == "darkroom-photos-dlq.fifo"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_setting_is_described_and_its_default_is_known(name: str) -> None:
    (variable,) = [one for one in documented() if one.name == PREFIX + name.upper()]

    assert variable.meaning.endswith(".")
    assert variable.value or variable.default, "a description without a value ends with a sentence `Default: ...`"


def test_every_setting_belongs_to_a_group() -> None:
    assert {name for group in GROUPS for name in group.__annotations__} == set(Settings.model_fields)


def test_the_example_file_and_the_documented_table_are_what_make_docs_writes() -> None:
    assert settings_docs.EXAMPLE.read_text() == settings_docs.example(), "run `make docs`"
    page = settings_docs.OPERATIONS.read_text()
    assert page == settings_docs.with_table(page), "run `make docs`"


def test_the_example_file_works_and_changes_nothing() -> None:
    taken = re.findall(r"^#([A-Z_0-9]+)=(.*)$", EXAMPLE, re.MULTILINE)

    assert len(taken) == len(documented())
    assert read_settings(dict(taken)) == Settings()


def test_the_example_file_sets_nothing_by_itself() -> None:
    assert [line for line in EXAMPLE.splitlines() if line and not line.startswith("#")] == []


def test_what_only_compose_reads_is_documented_with_its_default() -> None:
    read = dict(re.findall(r"\$\{([A-Z_]+):-([^${}]*)\}", (PROJECT / "docker-compose.yml").read_text()))
    ours = {PREFIX + name.upper() for name in Settings.model_fields}

    assert {name: default for name, default in read.items() if name not in ours} == {
        one.name: one.value for one in settings_docs.COMPOSE.variables
    }


def documented() -> list[Variable]:
    return [variable for section in settings_docs.sections() for variable in section.variables]


def test_a_large_original_has_more_time_to_be_stored_but_not_beyond_the_first_resend() -> None:
    settings = read_settings({"DARKROOM_AWS_TIMEOUT": "10", "DARKROOM_RESEND_AFTER": "300"})

    assert settings.storing_time(0) == 40
    assert settings.storing_time(50_000_000) == 240
    assert settings.storing_time(500_000_000) == 300
