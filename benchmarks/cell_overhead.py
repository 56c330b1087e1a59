"""What a cell costs around the model: CPU from rendered question to published row, and the memory of a large partition.

A million cells of one persona (62,500 posts x 4 wordings x 4 option orders) in one partition. The engine is none: it
answers constant scores in batches of 512. The path is the worker's: questions and posts from Parquet, cells identified
and looked up in an empty ledger, asked 32,768 at a time, appended batch by batch, read back, validated, written as
Parquet. Rendering and tokenising are recorded apart. Beside it, once, a loop that hashes a prompt, looks it up in
SQLite and inserts it, which is what a bare cache costs.

Prints a table and writes `benchmarks/results/cell_overhead.json`. Usage: `python benchmarks/cell_overhead.py [cells]`.
"""

import hashlib
import json
import platform
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.catalog.entries import OptionEntry, TaskEntry
from bias_platform.inference import answered
from bias_platform.inference.answering import Standing, ask_missing, look_up
from bias_platform.inference.cells import CellTable
from bias_platform.inference.engines.base import EngineIdentity, EngineStats, Prompt, ScoredBatch
from bias_platform.inference.ledger import Ledger, LedgerReader
from bias_platform.models.source import ModelSource
from bias_platform.models.system import ResolvedSystem
from bias_platform.prompts.questions import build_questions
from bias_platform.prompts.rendering import Renderer
from bias_platform.storage import read_table, write_table
from bias_platform.storage.names import ITEMS, PART, QUESTIONS

RESULTS = Path(__file__).parent / "results" / "cell_overhead.json"
CELLS, BATCH = 1_000_000, 512
TASK = TaskEntry(
    question='Post: """{content}"""\nCould this post be considered rude, hurtful or disrespectful to anyone? Answer '
    "with exactly one of these options and nothing else:\n{options}",
    options=tuple(OptionEntry(value=value) for value in ("Yes", "Maybe", "No", "Incomprehensible")),
    positive=("Yes",),
)
TEMPLATES = {
    "be": "You are {persona}. Let what you say reflect what this person knows, believes and has lived through.",
    "speak": "Speak as {persona} would. Keep to that identity in everything you say, and never step out of it.",
    "place": "Put yourself into the place of {persona}. Stay true to how this person sees the world.",
    "act": "Act as {persona}.",
}
PERSONAS = pd.DataFrame([("teacher", "a teacher in a village", "named")], columns=["persona_id", "phrase", "role"])
WORDS = ("the", "bus", "was", "late", "again", "nobody", "said", "sorry", "my", "neighbour", "plays", "at", "night")
SYSTEM = ResolvedSystem(slug="none", source=ModelSource(kind="folder", location="/none"), identity="1" * 32)
IDENTITY = EngineIdentity("none", "none-1", "h" * 32)
BOUND_MICROSECONDS, BOUND_MEGABYTES = 100, 1024


class NoEngine:
    """Says the same of everything."""

    def __init__(self) -> None:
        self.identity, self.stats = IDENTITY, EngineStats()
        self._scores = np.tile(np.log([0.4, 0.1, 0.3, 0.2]), (BATCH, 1))

    def score_choices(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]], scoring: str
    ) -> Iterator[ScoredBatch]:
        """See `Engine.score_choices`."""
        for start in range(0, len(prompts), BATCH):
            places = list(range(start, min(start + BATCH, len(prompts))))
            yield ScoredBatch(places, self._scores[: len(places)])


class Stages:
    """CPU seconds of stages; a stage within a stage counts for itself only."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._open = ["the rest"]
        self._since = time.process_time()

    def timed(self, function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        """The function, with its time counted for a stage."""

        def measured(*arguments: Any, **named: Any) -> Any:
            self._change(stage)
            try:
                return function(*arguments, **named)
            finally:
                self._change(None)

        return measured

    def _change(self, stage: str | None) -> None:
        now = time.process_time()
        self.seconds[self._open[-1]] += now - self._since
        self._since = now
        if stage is None:
            self._open.pop()
        else:
            self._open.append(stage)

    def stop(self) -> dict[str, float]:
        """All seconds."""
        self._change("the rest")
        return dict(self.seconds)


def make_study(folder: Path, cells: int) -> None:
    """Writes questions and posts as the questions' asset would."""
    random = np.random.default_rng(0)
    posts = cells // (len(TEMPLATES) * len(TASK.options))
    texts = [f"{number}: {' '.join(random.choice(WORDS, 25))}" for number in range(posts)]
    items = pd.DataFrame({"item_id": [f"item{number:010}" for number in range(posts)], "text": texts})
    write_table(items, folder / ITEMS)
    write_table(build_questions(items, PERSONAS, TEMPLATES, "rude", TASK, len(TASK.options)), folder / QUESTIONS)


def cell_table(folder: Path) -> CellTable:
    """The partition, read as the worker reads it."""
    questions, items = read_table(folder / QUESTIONS, "questions"), read_table(folder / ITEMS, "questions")
    renderer = Renderer(TASK, PERSONAS, TEMPLATES)
    return CellTable(questions, items, renderer=renderer, system=SYSTEM, settings=EngineSettings(), engine=IDENTITY)


def rendering(folder: Path) -> float:
    """CPU seconds of rendering every message once; the run does so twice: to identify, and to ask."""
    questions, items = read_table(folder / QUESTIONS, "questions"), read_table(folder / ITEMS, "questions")
    renderer = Renderer(TASK, PERSONAS, TEMPLATES)
    texts = dict(zip(items["item_id"], items["text"], strict=True))
    keys = list(zip(questions["item_id"], questions["option_order"], strict=True))
    start = time.process_time()
    for item, order in keys:
        renderer.user_message(texts[item], order)
    return time.process_time() - start


def watch(stages: Stages) -> None:
    """Puts the stages' clocks into the path."""
    CellTable.cells = stages.timed(CellTable.cells, "identity and prompts")  # type: ignore[method-assign]
    CellTable.ids = stages.timed(CellTable.ids, "identity")  # type: ignore[method-assign]
    Ledger.append = stages.timed(Ledger.append, "ledger: append")  # type: ignore[method-assign]
    reader: Any = LedgerReader
    looking, reading = (stages.timed(reader.known, f"ledger: {what}") for what in ("look up", "read back"))
    back = answered.AnsweredCells._part

    def part(cells: Any, rows: Any) -> Any:
        reader.known = reading
        return back(cells, rows)

    reader.known = looking
    answered.AnsweredCells._part = stages.timed(part, "table")  # type: ignore[method-assign]
    answered.validate_table = stages.timed(answered.validate_table, "validation")
    answered.write_parts = stages.timed(answered.write_parts, "parquet")


def measure(folder: Path) -> dict[str, Any]:
    """One run, and the same once more with a complete ledger."""
    once = rendering(folder)
    memory = {"before": _megabytes()}
    resident: list[int] = []

    def note(standing: Standing) -> None:
        if standing.asked * 10 // standing.total >= len(resident):
            resident.append(_megabytes())

    stages = Stages()
    watch(stages)
    started, wall = time.process_time(), time.monotonic()
    cells, engine = cell_table(folder), NoEngine()
    memory["table_read"] = _megabytes()
    with Ledger.open(folder / "ledger.sqlite") as ledger:
        run: dict[str, Any] = {"task": TASK, "engine": engine, "ledger": ledger}
        done = stages.timed(ask_missing, "asking")(look_up(cells, ledger), on_standing=note, **run)
        rows = done.write(folder / PART).rows
        seconds, wall = time.process_time() - started, time.monotonic() - wall
        spent = stages.stop()
        memory["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        started = time.process_time()
        ask_missing(look_up(cells, ledger), **run).write(folder / "again")
        known = time.process_time() - started
    if (folder / "again").read_bytes() != (folder / PART).read_bytes():
        raise RuntimeError("a complete ledger gives another table")
    return {
        "cells": rows,
        "cpu_microseconds_a_cell": _figures(rows, seconds, spent, once, known),
        "wall_microseconds_a_cell": 1e6 * wall / rows,
        "megabytes": memory | {"while_asking_each_tenth": resident},
        "ledger_bytes_a_cell": (folder / "ledger.sqlite").stat().st_size / rows,
        "parquet_bytes_a_cell": (folder / PART).stat().st_size / rows,
    }


def _figures(rows: int, seconds: float, spent: dict[str, float], once: float, known: float) -> dict[str, Any]:
    """CPU microseconds a cell; rendering is taken out of the two stages it happens in."""
    stages = {stage: 1e6 * value / rows for stage, value in spent.items()}
    render = 1e6 * once / rows
    stages["identity"] -= render
    stages["identity and prompts"] -= render
    return {
        "total_without_rendering": 1e6 * seconds / rows - 2 * render,
        "stages": stages,
        "rendering_apart": 2 * render,
        "complete_ledger_with_rendering": 1e6 * known / rows,
    }


def bare_loop(folder: Path) -> float:
    """CPU microseconds a cell of hash, look-up and insert, committed every batch."""
    prompts = [
        "\n".join(message["content"] for message in prompt.messages)
        for prompt in cell_table(folder).cells(slice(0, 200_000)).prompts
    ]
    connection = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE answers (id TEXT PRIMARY KEY, answer TEXT)")
    start = time.process_time()
    for first in range(0, len(prompts), BATCH):
        connection.execute("BEGIN")
        for prompt in prompts[first : first + BATCH]:
            key = hashlib.sha256(f"none:{prompt}".encode()).hexdigest()
            if connection.execute("SELECT answer FROM answers WHERE id = ?", (key,)).fetchone() is None:
                connection.execute("INSERT INTO answers VALUES (?, ?)", (key, "Yes"))
        connection.execute("COMMIT")
    return 1e6 * (time.process_time() - start) / len(prompts)


def tokenising(folder: Path) -> float:
    """CPU microseconds a cell of turning a call's prompts and options into tokens, as the local engines do."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    from bias_platform.inference.engines.chat_tokens import ChatEncoder

    prompts = cell_table(folder).cells(slice(0, 32_768)).prompts
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=550, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator([message["content"] for p in prompts[:2000] for message in p.messages], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>")
    fast.add_special_tokens({"additional_special_tokens": special[1:]})
    fast.chat_template = (
        "{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] + '<|end|>\n' }}{% endfor %}<|assistant|>\n"
    )
    start = time.process_time()
    ChatEncoder(fast).encode(prompts, [TASK.option_values] * len(prompts), "sum")
    return 1e6 * (time.process_time() - start) / len(prompts)


def _megabytes() -> int:
    return int(psutil.Process().memory_info().rss >> 20)


def apart(part: str, folder: Path) -> Any:
    """A measurement in a process of its own."""
    command = [sys.executable, __file__, part, str(folder)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def main(cells: int) -> None:
    """Runs, prints, writes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_study(folder, cells)
        result = apart("measure", folder)
        figures = result["cpu_microseconds_a_cell"]
        figures["tokenising_apart"] = apart("tokenising", folder)
        figures["bare_hash_and_sqlite_loop"] = apart("bare", folder)
    result["bounds"] = {"cpu_microseconds_a_cell": BOUND_MICROSECONDS, "megabytes": BOUND_MEGABYTES}
    result["machine"] = {"processor": platform.machine(), "python": platform.python_version(), "pandas": pd.__version__}
    for stage, value in sorted(figures["stages"].items(), key=lambda pair: -pair[1]):
        print(f"  {stage:32} {value:8.2f} us")
    print(f"{'total without rendering':34} {figures['total_without_rendering']:8.2f} us (bound {BOUND_MICROSECONDS})")
    for name in ("rendering_apart", "tokenising_apart", "complete_ledger_with_rendering", "bare_hash_and_sqlite_loop"):
        print(f"{name.replace('_', ' '):34} {figures[name]:8.2f} us")
    print(f"{'peak memory':34} {result['megabytes']['peak']:8,} MB (bound {BOUND_MEGABYTES})")
    memory = result["megabytes"]
    print(f"{'before, with the table read':34} {memory['before']:8,} MB, {memory['table_read']:,} MB")
    print(f"{'while asking, each tenth':34} {memory['while_asking_each_tenth']}")
    RESULTS.parent.mkdir(exist_ok=True)
    if cells == CELLS:
        RESULTS.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    parts = {"measure": measure, "tokenising": tokenising, "bare": bare_loop}
    if len(sys.argv) > 2:
        print(json.dumps(parts[sys.argv[1]](Path(sys.argv[2]))))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else CELLS)
