"""A prompt becomes the body that its endpoint understands."""

import base64
from pathlib import Path

import pytest

from bias_platform.inference.endpoints.chat_requests import ChatRequests
from bias_platform.inference.endpoints.image_urls import ImageUrls
from bias_platform.inference.endpoints.request_outcomes import CellFailed
from bias_platform.inference.endpoints.token_bound import TokenBound
from bias_platform.inference.engines.base import Decoding, Image, Prompt
from bias_platform_tests.inference.endpoints.conftest import endpoint_at

SYSTEM = {"role": "system", "content": "You are a baker."}
USER = {"role": "user", "content": "Rude?"}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(40))


def _requests(url: str = "https://lab.example.org/v1", *, is_vllm: bool = False) -> ChatRequests:
    return ChatRequests(endpoint_at(url), "lab-model", is_vllm=is_vllm)


@pytest.fixture
def picture(tmp_path: Path) -> Image:
    (tmp_path / "cat.png").write_bytes(PNG)
    return Image(tmp_path / "cat.png", b"d" * 16, "image/png")


def test_a_deterministic_text_is_asked_for_with_nothing_else() -> None:
    body = _requests().writing(Prompt((SYSTEM, USER), seed=None), Decoding(64))
    assert body == {"model": "lab-model", "messages": [SYSTEM, USER], "max_tokens": 64, "temperature": 0.0}


def test_a_sampled_text_carries_its_own_seed() -> None:
    body = _requests().writing(Prompt((USER,), seed=77), Decoding(64, 0.7, 0.9))
    assert (body["temperature"], body["top_p"], body["seed"]) == (0.7, 0.9, 77)


@pytest.mark.parametrize(
    ("url", "field"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://eu.api.openai.com/v1", "max_completion_tokens"),
        ("https://api.openai.com.example.org/v1", "max_tokens"),
        ("https://api.fireworks.ai/inference/v1", "max_tokens"),
    ],
)
def test_the_longest_answer_is_called_as_the_endpoint_calls_it(url: str, field: str) -> None:
    body = _requests(url).writing(Prompt((USER,)), Decoding(64))
    assert {name for name in body if name.startswith("max")} == {field}


def test_a_vllm_server_is_told_what_local_engines_do() -> None:
    body = _requests(is_vllm=True).writing(Prompt((USER,)), Decoding(64, allowed=("Yes", "No")))
    assert body["chat_template_kwargs"] == {"date_string": "26 Jul 2024", "enable_thinking": False}
    assert (body["repetition_penalty"], body["top_k"], body["min_p"]) == (1.0, 0, 0.0)
    assert body["structured_outputs"] == {"choice": ["Yes", "No"]}


def test_options_are_scored_by_one_token() -> None:
    body = _requests().scoring(Prompt((USER,)), 20, {"more": 1})
    expected = {"max_tokens": 1, "logprobs": True, "top_logprobs": 20, "temperature": 0.0, "more": 1}
    assert {name: body[name] for name in expected} == expected


def test_a_picture_follows_the_text_of_the_last_message(picture: Image) -> None:
    body = _requests().writing(Prompt((SYSTEM, USER), (picture,)), Decoding(64))
    assert body["messages"][0] == SYSTEM
    text, shown = body["messages"][1]["content"]
    assert text == {"type": "text", "text": "Rude?"}
    kind, _, content = shown["image_url"]["url"].partition(",")
    assert (shown["type"], kind, base64.b64decode(content)) == ("image_url", "data:image/png;base64", PNG)


def test_each_picture_is_read_once_while_it_is_kept(picture: Image, tmp_path: Path) -> None:
    urls = ImageUrls()
    for _ in range(5):
        urls.url(picture)
    assert urls.read_files == 1
    small = ImageUrls(most_bytes=200)
    others = []
    for number in range(6):
        path = tmp_path / f"{number}.png"
        path.write_bytes(PNG + bytes([number]))
        others.append(Image(path, bytes([number]) * 16, "image/png"))
        small.url(others[-1])
    assert small.read_files == 6
    small.url(others[-1])
    assert small.read_files == 6
    small.url(others[0])
    assert small.read_files == 7


def test_a_picture_that_is_gone_fails_its_cell_for_now(picture: Image) -> None:
    picture.path.unlink()
    with pytest.raises(CellFailed) as failed:
        _requests().writing(Prompt((USER,), (picture,)), Decoding(64))
    assert failed.value.failure == ("picture cannot be read: cat.png, No such file or directory", True)


def test_half_a_character_fails_its_cell() -> None:
    broken = {"role": "user", "content": "ha\ud83d ha"}
    with pytest.raises(CellFailed) as failed:
        _requests().writing(Prompt((SYSTEM, broken)), Decoding(64))
    assert failed.value.failure == ("text cannot be sent: half a character (U+D83D) at place 2", False)


def test_the_bound_of_tokens_is_above_the_bytes_and_believes_the_endpoint(picture: Image) -> None:
    bound = TokenBound()
    prompt = Prompt((SYSTEM, {"role": "user", "content": "😀" * 50}))
    most = bound.most(prompt)
    assert most > len(SYSTEM["content"]) + 200
    assert bound.most(prompt._replace(images=(picture,))) > most + 37_000
    bound.learn(most, most)
    assert bound.most(prompt) == most
    bound.learn(most, 2 * most)
    assert bound.most(prompt) > 2 * most
