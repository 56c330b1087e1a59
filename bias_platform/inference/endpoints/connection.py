"""The line to an endpoint: the official client, which sends what it is told once, to where it is told, and no further.

Retrying, pacing and judging replies are done elsewhere (`calls`), so the client does none of it. Redirections are not
followed. What travels beside a request is decided here: other hosts than OpenAI's get neither the client's headers on
this machine nor what the environment holds for OpenAI; and requests to this machine take no proxy.
"""

import asyncio
import logging
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import httpx2
import openai

from bias_platform.inference.endpoints.endpoint import DEFAULT_ENDPOINT, Endpoint, leaves_machine

_LONGEST_CONNECT = 20.0
_DEADLINES_OF_SILENCE = 4
"""A reply that trickles in must be complete after so many times the longest silence."""
_NO_KEY = "none"
_SENT_ELSEWHERE = frozenset(
    ("host", "accept", "accept-encoding", "connection", "content-type", "content-length", "user-agent", "authorization")
)


class RawReply(NamedTuple):
    """A reply with status 200."""

    content_type: str
    content: bytes


class EndpointConnection:
    """Open connections to an endpoint; use it in an `async with` block. Belongs to one event loop.

    Args:
        endpoint: that is asked.
        most: connections at once.
        silence: seconds without a sign after which a request has failed.
    """

    def __init__(self, endpoint: Endpoint, *, most: int, silence: float) -> None:
        self._endpoint = endpoint
        self._deadline = silence * _DEADLINES_OF_SILENCE
        key = endpoint.key.get_secret_value() if endpoint.key else None
        _keep_quiet()
        transport = httpx2.AsyncClient(
            timeout=httpx2.Timeout(silence, connect=min(silence, _LONGEST_CONNECT), pool=None),
            limits=httpx2.Limits(max_connections=most, max_keepalive_connections=most, keepalive_expiry=30.0),
            follow_redirects=False,
            trust_env=leaves_machine(endpoint.base_url),
            event_hooks={"request": [_HeaderRule(endpoint.slug == DEFAULT_ENDPOINT, key)]},
        )
        self._client = openai.AsyncOpenAI(
            api_key=key or _NO_KEY, base_url=endpoint.base_url, http_client=transport, max_retries=0
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def send(self, path: str, body: Mapping[str, Any] | None) -> RawReply:
        """Sends one request, once.

        Args:
            path: after the base URL; or a path beginning with `//`, after the host.
            body: sent as JSON; None: nothing is sent, something is fetched.

        Raises:
            openai.APIError: refused, lost or too slow.
            TimeoutError: not complete in time.
        """
        async with asyncio.timeout(self._deadline):
            if body is None:
                response = await self._client.get(self._place(path), cast_to=httpx2.Response)
            else:
                response = await self._client.post(self._place(path), cast_to=httpx2.Response, body=dict(body))
        return RawReply(response.headers.get("content-type", ""), response.content)

    def _place(self, path: str) -> str:
        if not path.startswith("//"):
            return path
        parts = urlsplit(self._endpoint.base_url)
        return f"{parts.scheme}://{parts.netloc}{parts.path.removesuffix('/v1')}{path[1:]}"


def _keep_quiet() -> None:
    """The transport says every request in a line of its own, and on demand every header that comes back: an endpoint
    that repeats the key in one would have it logged."""
    for name in ("httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)


class _HeaderRule:
    """Takes off a request what the endpoint is not meant to get, and puts on the key it is meant to get."""

    def __init__(self, is_openai: bool, key: str | None) -> None:
        self._is_openai = is_openai
        self._key = key

    async def __call__(self, request: httpx2.Request) -> None:
        if not self._is_openai:
            for name in [name for name in request.headers if name.lower() not in _SENT_ELSEWHERE]:
                del request.headers[name]
        if self._key is None:
            request.headers.pop("authorization", None)
        else:
            request.headers["authorization"] = f"Bearer {self._key}"
