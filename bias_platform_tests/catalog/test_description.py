"""What the command line says of a catalog and of its fields."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bias_platform.catalog import describe_catalog, field_reference, load_catalog, questions_per_item


def test_overview_names_everything_and_counts_questions(write: Callable[..., Path], sound: dict[str, Any]) -> None:
    sound["studies"]["first"] |= {"items": {"n": 50, "split": "test"}, "option_orders": 2}
    sound["systems"] = ["big"]
    text = describe_catalog(load_catalog(write({"a.yaml": sound})))
    for slug in ("posts", "sample", "people", "wordings", "rude", "tiny", "big@int8", "tuned", "served", "first"):
        assert re.search(rf"^ *(study )?{re.escape(slug)}\b", text, re.MULTILINE), slug
    assert "3 personas (gender 2, sleep 1), control anyone" in text
    assert re.search(r"big +in no study", text)
    # (3 named + control) x 2 wordings + baseline, each in 2 option orders
    assert "questions per item      18 to each of 3 systems" in text
    assert "questions in all        2,700" in text
    assert "50 of posts, test" in text


def test_questions_per_item_without_baseline_and_with_one_dimension(
    write: Callable[..., Path], sound: dict[str, Any]
) -> None:
    sound["studies"]["first"] |= {"no_persona_baseline": False, "dimensions": ["sleep"]}
    catalog = load_catalog(write({"a.yaml": sound}))
    assert questions_per_item(catalog, catalog.studies["first"]) == 4


def test_every_field_is_described() -> None:
    rows = [line for line in field_reference().splitlines() if line.startswith("| `")]
    assert len(rows) > 100
    assert [row for row in rows if re.search(r"\|\s*\|$", row)] == []


def test_reference_says_kinds_bounds_and_defaults() -> None:
    text = field_reference()
    assert "| `rank` | whole number, >= 1 and <= 512 | `16` |" in text
    assert "| `from` | system | required |" in text
    assert "| `corpus` | slug | required |" in text
    assert "| `label_counts` | text -> text | empty |" in text
    assert "| `reader` | `sbic` or `exist` or `hatred` or `table` or `sample` | `table` |" in text
    assert "| `dimensions` | slug -> list of [PersonaEntry](#personaentry) | required |" in text
    assert "origins" not in text


def test_links_of_the_reference_lead_somewhere() -> None:
    text = field_reference()
    headings = {heading.lower() for heading in re.findall(r"^## (\w+)$", text, re.MULTILINE)}
    assert set(re.findall(r"\(#(\w+)\)", text)) <= headings
