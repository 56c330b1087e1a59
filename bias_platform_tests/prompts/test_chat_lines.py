"""Examples as chat messages in JSON Lines: the study's format, byte for byte, pictures by what they are."""

import base64
import io
import json
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from bias_platform.errors import ArtifactError
from bias_platform.prompts.chat_lines import chat_lines, write_chat_lines


def _rows(**columns: list[object]) -> pd.DataFrame:
    return pd.DataFrame(columns, dtype=object)


def _picture(folder: Path, name: str, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (200, 30, 30)).save(buffer, kind)
    (folder / name).write_bytes(buffer.getvalue())
    return buffer.getvalue()


def test_texts_are_written_as_they_are(tmp_path: Path) -> None:
    table = _rows(
        system_message=["Sé una mujer.", None],
        user_message=['Él dijo:\n"¿sí?" 😀', "plain"],
        answer=["Sí", "No"],
    )
    path = tmp_path / "chat.jsonl"
    assert write_chat_lines(table, path) == 2
    text = path.read_bytes().decode("utf-8")
    assert text == (
        '{"messages": [{"role": "system", "content": "Sé una mujer."}, {"role": "user", "content": "Él dijo:\\n'
        '\\"¿sí?\\" 😀"}, {"role": "assistant", "content": "Sí"}]}\n'
        '{"messages": [{"role": "user", "content": "plain"}, {"role": "assistant", "content": "No"}]}\n'
    )


def test_line_breaks_of_other_kinds_do_not_break_lines(tmp_path: Path) -> None:
    strange = "a\u2028b\x85c\r\nd"
    path = tmp_path / "chat.jsonl"
    write_chat_lines(_rows(system_message=[None], user_message=[strange], answer=["x"]), path)
    (line,) = path.read_bytes().split(b"\n")[:-1]
    assert json.loads(line)["messages"][0]["content"] == strange


def test_pictures_stand_inline_with_their_true_type(tmp_path: Path) -> None:
    kinds = {"a.png": "PNG", "b.png": "JPEG", "c.png": "GIF", "d.png": "WEBP"}
    contents = [_picture(tmp_path, name, kind) for name, kind in kinds.items()]
    table = _rows(
        system_message=[None] * 5,
        user_message=["What is it?"] * 5,
        answer=["The meme is red."] * 5,
        picture=[*kinds, None],
    )
    users = [json.loads(line)["messages"][0]["content"] for line in chat_lines(table, tmp_path)]
    assert users[4] == "What is it?"
    for user, content, kind in zip(users, contents, kinds.values(), strict=False):
        encoded = base64.b64encode(content).decode()
        url = {"url": f"data:image/{kind.lower()};base64,{encoded}"}
        assert user == [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": url}]


def test_pictures_that_are_missing_or_of_another_kind_are_named(tmp_path: Path) -> None:
    table = _rows(system_message=[None], user_message=["?"], answer=["x"], picture=["gone.png"])
    with pytest.raises(
        ArtifactError, match=r"gone\.png cannot be read \(No such file or directory\): materialize the c"
    ):
        list(chat_lines(table, tmp_path))
    (tmp_path / "gone.png").write_bytes(b"BM not a picture that chat models take")
    with pytest.raises(ArtifactError, match=r"gone\.png is none of PNG, JPEG, GIF and WEBP"):
        list(chat_lines(table, tmp_path))
