"""API keys in the settings: read from both places; all faults are reported at once, and no key is shown."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from darkroom.aws.clients import make_clients
from darkroom.errors import SettingsError
from darkroom.local.functions import Functions
from darkroom.owners import Owners, auth_mode, hash_of, is_owner, new_key, read_owners
from darkroom.settings import Settings

KEYS = [new_key() for _ in range(4)]
HASHES = [hash_of(key) for key in KEYS]


def faults_of(settings: Settings) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read_owners(settings)
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def in_file(folder: Path, text: str) -> Path:
    path = folder / "owners.toml"
    path.write_text(text)
    return path


def test_a_key_is_random_and_known_by_its_hash() -> None:
    assert len(set(KEYS)) == len(KEYS)
    assert all(re.fullmatch(r"dk_[A-Za-z0-9_-]{43}", key) for key in KEYS)
    assert HASHES[0] == hashlib.sha256(KEYS[0].encode()).hexdigest()


@pytest.mark.parametrize("separator", [" ", ",", ", ", "\n"])
def test_pairs_name_owners_and_an_owner_may_have_several_keys(separator: str) -> None:
    pairs = [f"alice:{HASHES[0]}", f"alice:{HASHES[1].upper()}", f"bob.b_1-2:{HASHES[2]}"]

    owners = read_owners(Settings(api_keys=separator.join(pairs)))

    assert [owners.owner_of(each) for each in HASHES] == ["alice", "alice", "bob.b_1-2", None]


def test_a_file_holds_keys_and_callback_urls_of_owners(tmp_path: Path) -> None:
    file = in_file(
        tmp_path,
        f'[alice]\nkeys = ["{HASHES[0]}", "{HASHES[1]}"]\ncallback_url = "https://alice.example/hook"\n'
        f'["b.c"]\nkeys = ["{HASHES[2]}"]\n[gone]\nkeys = []\n',
    )

    secret = SecretStr("whsec_" + "A" * 32)
    owners = read_owners(Settings(owners_file=file, api_keys=f"dora:{HASHES[3]}", webhook_secret=secret))

    assert [owners.owner_of(each) for each in HASHES] == ["alice", "alice", "b.c", "dora"]
    assert owners.callback_url("alice") == "https://alice.example/hook"
    assert owners.callback_url("b.c") is None


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://a.example", "callback_url needs DARKROOM_WEBHOOK_SECRET"),
        ("http://a.example", "callback_url of alice cannot be used: it must start with https://"),
        ("https://10.0.0.1/x", "callback_url of alice cannot be used: 10.0.0.1 is not a public address"),
    ],
)
def test_a_callback_url_that_webhooks_may_not_go_to_is_a_fault(tmp_path: Path, url: str, said: str) -> None:
    file = in_file(tmp_path, f'[alice]\nkeys = ["{HASHES[0]}"]\ncallback_url = "{url}"\n')

    assert [fault for fault in faults_of(Settings(owners_file=file)) if said in fault]


def test_removing_one_key_of_an_owner_keeps_the_other() -> None:
    both = read_owners(Settings(api_keys=f"alice:{HASHES[0]} alice:{HASHES[1]}"))
    one = read_owners(Settings(api_keys=f"alice:{HASHES[1]}"))

    assert (both.owner_of(HASHES[0]), one.owner_of(HASHES[0])) == ("alice", None)
    assert one.owner_of(HASHES[1]) == "alice"


def test_all_faults_of_both_places_are_reported_at_once_without_any_key(tmp_path: Path) -> None:
    file = in_file(
        tmp_path,
        f'keys = ["{HASHES[0]}"]\n[alice]\nkeys = ["{KEYS[0]}", 5]\ncallback_url = "alice.example"\n'
        f'[bob]\nkey = ["{HASHES[1]}"]\n["{KEYS[2]}"]\nkeys = []\n[eve]\nkeys = "{HASHES[2]}"\n',
    )
    pairs = f"{KEYS[1]} carl:{KEYS[2]} carl:abc c/d:{HASHES[3]} dora:{HASHES[3]} carl:{HASHES[3]}"

    faults = faults_of(Settings(api_keys=pairs, owners_file=file))

    told = "\n".join(faults)
    assert not [key for key in KEYS if key in told]
    wanted = [
        "DARKROOM_API_KEYS: entry 1 is an API key; expected owner:hash",
        "DARKROOM_API_KEYS: the value of carl is the key itself; expected its hash",
        "DARKROOM_API_KEYS: a hash of carl is not valid",
        "DARKROOM_API_KEYS: 'c/d' is not a valid owner",
        "DARKROOM_API_KEYS: carl and dora have the same key",
        f"DARKROOM_OWNERS_FILE ({file}): 'keys' is outside of an owner's table",
        f"DARKROOM_OWNERS_FILE ({file}): the value of alice is the key itself",
        f"DARKROOM_OWNERS_FILE ({file}): a hash of alice is not valid",
        f"DARKROOM_OWNERS_FILE ({file}): callback_url of alice is not a URL",
        f"DARKROOM_OWNERS_FILE ({file}): bob has an unknown entry 'key'; expected callback_url and keys",
        f"DARKROOM_OWNERS_FILE ({file}): '...' is not a valid owner",
        f"DARKROOM_OWNERS_FILE ({file}): keys of eve is not a list of hashes",
    ]
    assert len(faults) == len(wanted)
    for beginning in wanted:
        assert [fault for fault in faults if fault.startswith(beginning)], beginning


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[alice\n", "it is not valid TOML"),
        ("", "it has no keys"),
        ('[alice]\ncallback_url = "https://a.example"\n', "callback_url of alice has no effect: without API keys"),
        (f'[a.b]\nkeys = ["{HASHES[0]}"]\n', 'write an owner with a dot in quotes: ["a.b"]'),
    ],
    ids=["broken", "empty", "no key", "dot"],
)
def test_a_file_without_usable_keys_is_a_fault(tmp_path: Path, text: str, said: str) -> None:
    assert [fault for fault in faults_of(Settings(owners_file=in_file(tmp_path, text))) if said in fault]


@pytest.mark.parametrize("auth", [None, "off", "auto"])
def test_without_keys_the_default_owner_may_have_a_callback_url(tmp_path: Path, auth: str | None) -> None:
    file = in_file(tmp_path, '[default]\ncallback_url = "https://a.example/hook"\n')
    given = {"auth": auth, "owners_file": file, "webhook_secret": SecretStr("whsec_" + "A" * 32)}
    settings = Settings.model_validate(given)

    owners = read_owners(settings)

    assert owners.callback_url("default") == "https://a.example/hook"
    assert auth_mode(settings, owners) == "off"


@pytest.mark.parametrize("url", ["https//me:hunter2@a.example/", "https://me:hunter2@a.example/", "me:hunter2"])
def test_a_password_in_a_callback_url_is_not_shown(tmp_path: Path, url: str) -> None:
    file = in_file(tmp_path, f'[alice]\nkeys = ["{HASHES[0]}"]\ncallback_url = "{url}"\n')

    told = "\n".join(faults_of(Settings(owners_file=file)))

    assert "callback_url of alice" in told
    assert "hunter2" not in told


def test_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    (fault,) = faults_of(Settings(owners_file=tmp_path / "nowhere.toml"))

    assert "nowhere.toml): it cannot be read: No such file" in fault


def test_a_list_without_keys_is_a_fault() -> None:
    assert faults_of(Settings(api_keys=" , ")) == ["DARKROOM_API_KEYS: it has no keys"]


@pytest.mark.parametrize(
    "name", ["", ".", "..", "-a", "a/b", "a b", "a:b", "\u00e4", "x" * 65, "a\n", "f" * 64, "dk_x"]
)
def test_a_name_that_cannot_be_part_of_an_object_key_is_not_an_owner(name: str) -> None:
    assert not is_owner(name)


def test_settings_and_owners_show_no_hash() -> None:
    settings = Settings(api_keys=f"alice:{HASHES[0]}")

    assert HASHES[0] not in repr(settings) + repr(read_owners(settings))


# --- whether keys are needed -------------------------------------------------------------------------------------

SOME = Owners({HASHES[0]: "alice"})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_without_keys_the_api_is_open_on_a_loopback_address(host: str) -> None:
    assert auth_mode(Settings(host=host), Owners()) == "off"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "nowhere.invalid"])
def test_without_keys_any_other_address_needs_an_explicit_setting(host: str) -> None:
    with pytest.raises(SettingsError, match=r"`darkroom key OWNER`.*DARKROOM_AUTH=off"):
        auth_mode(Settings(host=host), Owners())
    assert auth_mode(Settings(host=host, auth="off"), Owners()) == "off"


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_auto_needs_no_keys_on_any_address_until_there_are_some(host: str) -> None:
    assert auth_mode(Settings(host=host, auth="auto"), Owners()) == "off"
    assert auth_mode(Settings(host=host, auth="auto"), SOME) == "keys"


@pytest.mark.parametrize("auth", [None, "keys"])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_if_there_are_keys_callers_need_one(auth: str | None, host: str) -> None:
    assert auth_mode(Settings.model_validate({"auth": auth, "host": host}), SOME) == "keys"


def test_keys_with_auth_off_are_a_fault() -> None:
    with pytest.raises(SettingsError, match="DARKROOM_AUTH is off, but there are API keys"):
        auth_mode(Settings(auth="off"), SOME)


def test_auth_by_keys_without_any_keys_is_a_fault() -> None:
    with pytest.raises(SettingsError, match="DARKROOM_AUTH is keys, but there are no API keys"):
        auth_mode(Settings(auth="keys"), Owners())


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"auth": "keys"}, "AUTH is keys, .*`darkroom key OWNER`"),
        ({"auth": "off", "api_keys": f"a:{HASHES[0]}"}, "or remove"),
    ],
)
def test_functions_are_not_deployed_with_settings_that_they_would_refuse(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], fault: str
) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    settings = Settings.model_validate(given)
    with pytest.raises(SettingsError, match=fault):
        Functions(settings, make_clients(settings), 0).deploy()
