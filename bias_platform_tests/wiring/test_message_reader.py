"""Messages of workers are read whole, however they are written."""

from pathlib import Path
from threading import Event, Thread

from bias_platform.orchestration.message_reader import whole_lines


def test_a_message_that_is_half_written_is_waited_for(tmp_path: Path) -> None:
    path, ended, found = tmp_path / "messages", Event(), []
    path.touch()
    reader = Thread(target=lambda: found.extend(whole_lines(path, ended)))
    reader.start()
    message = "x" * 200_000
    with path.open("a", encoding="utf-8") as file:
        for part in ("first\n", message[:90_000], message[90_000:], "\nlast", "\n"):
            file.write(part)
            file.flush()
            Event().wait(0.05)
    ended.set()
    reader.join(timeout=30)
    assert not reader.is_alive()
    assert found == ["first\n", message + "\n", "last\n"]
