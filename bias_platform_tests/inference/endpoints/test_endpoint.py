"""Addresses and keys come from the environment, and no message shows a key."""

import subprocess
import sys

import pytest
from pydantic import SecretStr

from bias_platform.errors import UserError
from bias_platform.inference.endpoints.endpoint import Endpoint, base_url_of, leaves_machine, read_endpoint
from bias_platform_tests.inference.endpoints.conftest import KEY


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for prefix in ("OPENAI", "MY_HOST"):
        for name in ("BASE_URL", "API_KEY"):
            monkeypatch.delenv(f"{prefix}_{name}", raising=False)


def test_where_an_endpoint_is_can_be_asked_without_a_client_library() -> None:
    code = (
        "import sys, bias_platform.inference.endpoints.endpoint\n"
        "print(sorted({'openai', 'httpx', 'httpx2', 'torch', 'pandas'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


@pytest.mark.parametrize("slug", ["my-host", "my.host", "my_host"])
def test_a_slug_names_its_variables(slug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_HOST_BASE_URL", " https://models.example.org:8443/v1/ ")
    monkeypatch.setenv("MY_HOST_API_KEY", f"{KEY}\n")
    endpoint = read_endpoint(slug)
    assert endpoint == Endpoint(slug, "https://models.example.org:8443/v1", SecretStr(KEY))
    assert endpoint.title == f"endpoint '{slug}' (https://models.example.org:8443)"
    assert KEY not in f"{endpoint} {endpoint!r} {endpoint.key}"


def test_only_openai_has_a_default_address(monkeypatch: pytest.MonkeyPatch) -> None:
    assert base_url_of("openai") == "https://api.openai.com/v1"
    with pytest.raises(UserError, match="'my-host' has no address: set the environment variable MY_HOST_BASE_URL"):
        base_url_of("my-host")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://eu.example.org/v1")
    assert base_url_of("openai") == "https://eu.example.org/v1"


def test_a_missing_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="needs a key and the environment variable OPENAI_API_KEY is not set"):
        read_endpoint("openai")
    monkeypatch.setenv("OPENAI_API_KEY", "   ")
    with pytest.raises(UserError, match="OPENAI_API_KEY is not set"):
        read_endpoint("openai")


def test_an_endpoint_on_this_machine_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_HOST_BASE_URL", "http://127.0.0.1:8000/v1")
    assert read_endpoint("my-host").key is None


@pytest.mark.parametrize("key", [f"{KEY} second", f"{KEY}\nsecond", f"{KEY}é"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(UserError, match="the key in OPENAI_API_KEY holds characters") as refusal:
        read_endpoint("openai")
    assert KEY not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (KEY, "must be a URL like https://host/v1"),
        ("ftp://host/v1", "must be a URL like https://host/v1"),
        ("https:///v1", "must be a URL like https://host/v1"),
        (f"https://user:{KEY}@host/v1", "neither a user name, a password nor"),
        (f"https://host/v1?key={KEY}", "neither a user name, a password nor"),
    ],
)
def test_an_unusable_address_is_not_repeated(url: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_HOST_BASE_URL", url)
    with pytest.raises(UserError, match=message) as refusal:
        base_url_of("my-host")
    assert KEY not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "leaves"),
    [
        ("http://localhost:8000/v1", False),
        ("http://LOCALHOST./v1", False),
        ("http://127.0.0.1/v1", False),
        ("http://127.9.9.9:1/v1", False),
        ("http://[::1]:8000/v1", False),
        ("http://[::ffff:127.0.0.1]:8000/v1", False),
        ("http://[::ffff:10.0.0.1]:8000/v1", True),
        ("http://0.0.0.0:8000/v1", True),
        ("http://10.0.0.1:8000/v1", True),
        ("http://127.0.0.1.example.org/v1", True),
        ("http://localhost.example.org/v1", True),
        ("http://127.0.0.1@example.org/v1", True),
        ("http://127.1/v1", True),
        ("https://api.openai.com/v1", True),
        ("nonsense", True),
    ],
)
def test_only_loopback_stays_on_the_machine(url: str, leaves: bool) -> None:
    assert leaves_machine(url) is leaves


def test_what_an_endpoint_says_is_quoted_short_and_without_the_key() -> None:
    endpoint = Endpoint("lab", "https://host/v1", SecretStr(KEY))
    said = endpoint.quoted(f"wrong\n key {KEY}: " + "blah " * 200)
    assert said.startswith("wrong key [key]: blah")
    assert said.endswith("...")
    assert len(said) == 300
    assert endpoint._replace(key=None).quoted("a\tb") == "a b"
