"""A small task, persona set and corpus for the tests of prompts."""

import pandas as pd
import pytest

from bias_platform.catalog.entries import (
    CorpusEntry,
    OptionEntry,
    PersonaEntry,
    PersonaSetEntry,
    TaskEntry,
    TrainingData,
)
from bias_platform.corpora import CorpusTables, read_corpus
from bias_platform.prompts import personas_table


@pytest.fixture(scope="session")
def task() -> TaskEntry:
    options = {"Yes": "it offends", "Maybe": None, "No": "it is fine", "Incomprehensible": "no sense"}
    return TaskEntry(
        question="Is it rude?\n{options}\nOne word.\nPost: {content}",
        options=tuple(OptionEntry(value=value, gloss=gloss) for value, gloss in options.items()),
        positive=("Yes",),
    )


@pytest.fixture(scope="session")
def templates() -> dict[str, str]:
    return {"be": "You are {persona}.", "as": "Answer as {persona} would.", "role": "Play {persona}!"}


@pytest.fixture(scope="session")
def persona_set() -> PersonaSetEntry:
    def persona(name: str, **attributes: str) -> PersonaEntry:
        return PersonaEntry(id=name, phrase=f"a {name} person", attributes=attributes)

    dimensions = {
        "gender": (persona("man", gender="man"), persona("woman", gender="woman")),
        "both": (
            persona("gay-man", gender="man", orientation="gay"),
            persona("man-again", gender="man"),
            persona("gay-woman", gender="woman", orientation="gay"),
        ),
    }
    return PersonaSetEntry(dimensions=dimensions, control=PersonaEntry(id="anyone", phrase="a person"))


@pytest.fixture(scope="session")
def personas(persona_set: PersonaSetEntry) -> pd.DataFrame:
    return personas_table(persona_set)


@pytest.fixture(scope="session")
def corpus() -> CorpusTables:
    parameters = {"seed": 5, "train": 300, "dev": 10, "test": 60, "annotators": 200}
    return read_corpus("sample", CorpusEntry(reader="sample", parameters=parameters))


@pytest.fixture(scope="session")
def data() -> TrainingData:
    return TrainingData(corpus="sample", task="t", persona_set="p", template_set="w")
