"""Where an endpoint is and by which key it is asked, both from the environment; and whether it is this machine.

The key is held so that no message, log line or record can show it.
"""

import ipaddress
import os
import re
from typing import NamedTuple
from urllib.parse import urlsplit

from pydantic import SecretStr

from bias_platform.errors import UserError

DEFAULT_ENDPOINT = "openai"
_DEFAULT_URL = "https://api.openai.com/v1"
_LONGEST_QUOTE = 300


class Endpoint(NamedTuple):
    """An OpenAI-compatible endpoint."""

    slug: str
    base_url: str
    """up to what `/chat/completions` is appended to"""
    key: SecretStr | None
    """None: requests carry no key"""

    @property
    def title(self) -> str:
        """How a message names it: slug and host, never the whole URL."""
        return f"endpoint '{self.slug}' ({address_of(self.base_url)})"

    @property
    def url_variable(self) -> str:
        """The environment variable that names its base URL."""
        return f"{_prefix(self.slug)}_BASE_URL"

    @property
    def key_variable(self) -> str:
        """The environment variable that holds its key."""
        return f"{_prefix(self.slug)}_API_KEY"

    def quoted(self, text: str) -> str:
        """What an endpoint said, for a message: one line, not long, and without the key should it repeat that."""
        if self.key is not None:
            text = text.replace(self.key.get_secret_value(), "[key]")
        line = " ".join(text.split())
        return line if len(line) <= _LONGEST_QUOTE else line[: _LONGEST_QUOTE - 3] + "..."


def read_endpoint(slug: str) -> Endpoint:
    """The endpoint of a slug: `my-host` is described by MY_HOST_BASE_URL and MY_HOST_API_KEY.

    Only `openai` has a default URL. An endpoint on this machine may do without a key.

    Raises:
        UserError: a variable is missing or unusable; its value is not shown.
    """
    endpoint = Endpoint(slug, base_url_of(slug), None)
    key = os.environ.get(endpoint.key_variable, "").strip()
    if not key and leaves_machine(endpoint.base_url):
        raise UserError(
            f"{endpoint.title} needs a key and the environment variable {endpoint.key_variable} is not set; put the "
            "key there (any word, if the endpoint asks for none)"
        )
    if not all("!" <= character <= "~" for character in key):
        raise UserError(
            f"the key in {endpoint.key_variable} holds characters that no HTTP header can carry (a space, a line "
            "break, or none of ASCII); copy it again"
        )
    return endpoint._replace(key=SecretStr(key) if key else None)


def base_url_of(slug: str) -> str:
    """The base URL that the environment gives an endpoint, without a slash at its end.

    Raises:
        UserError: none is given, or it is no URL to send requests to.
    """
    variable = f"{_prefix(slug)}_BASE_URL"
    url = os.environ.get(variable, "").strip() or (_DEFAULT_URL if slug == DEFAULT_ENDPOINT else "")
    if not url:
        raise UserError(
            f"endpoint '{slug}' has no address: set the environment variable {variable} to its base URL, which usually "
            "ends in /v1, or mend `endpoint` of the model in the catalog"
        )
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"{variable} must be a URL like https://host/v1, beginning with http:// or https://")
    if parts.username or parts.password or parts.query:
        raise UserError(
            f"{variable} must hold neither a user name, a password nor a ?query, which would end up in logs; the key "
            f"belongs into {_prefix(slug)}_API_KEY"
        )
    return url.rstrip("/")


def leaves_machine(base_url: str) -> bool:
    """Whether what is sent to this URL goes to another machine. What is not known to stay here counts as leaving.

    >>> leaves_machine("https://api.openai.com/v1"), leaves_machine("http://127.0.0.1:8000/v1")
    (True, False)
    """
    host = (urlsplit(base_url).hostname or "").rstrip(".")
    if host == "localhost":
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return True
    mapped = getattr(address, "ipv4_mapped", None)
    return not (mapped or address).is_loopback


def address_of(url: str) -> str:
    """Scheme, host and port of a URL: nothing of it that could be secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _prefix(slug: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "_", slug).upper()
