"""The whole message for a folder with five mistakes, word for word: what a user reads."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bias_platform.catalog import load_catalog
from bias_platform.errors import CatalogError

POSTS = """\
name: tweets
extends: demo
corpora:
  tweets:
    reader: tabel
    path: tweets.csv
    columns:
      text: tweet
      labell: class
studies:
  tweets:
    title: Tweets
    task: offensivness
    corpus: tweets
    persona_set: sociodemographic-27
    template_set: short
    systems: [reference-tiny, reference-small+anotators]
"""
WORDINGS = """\
template_sets:
  short:
    templates:
      play: Play {person}.
"""


def test_five_mistakes(write: Callable[..., Path]) -> None:
    folder = write({"posts.yaml": POSTS, "wordings.yaml": WORDINGS.replace("Play {person}.", "Play somebody.")})
    with pytest.raises(CatalogError) as caught:
        load_catalog(folder)
    assert str(caught.value).splitlines() == [
        f"the catalog in {folder} has 5 mistakes:",
        "  - posts.yaml:5: corpora.tweets.reader: 'tabel' is not possible; allowed: sbic, exist, hatred, table, "
        "sample. Did you mean 'table'?",
        "  - posts.yaml:9: corpora.tweets.columns.labell: there is no such field; allowed: text, id, label, "
        "label_counts, target_group, annotator, annotator_attributes, split. Did you mean 'label'?",
        "  - posts.yaml:13: studies.tweets.task: there is no task 'offensivness'; allowed: offensiveness, sexism. "
        "Did you mean 'offensiveness'?",
        "  - posts.yaml:17: studies.tweets.systems[1]: 'reference-small+anotators': there is no adapter 'anotators'; "
        "allowed: annotators. Did you mean 'annotators'?",
        "  - wordings.yaml:4: template_sets.short.templates.play: {persona} is missing; it must stand exactly once",
    ]
