"""Each kind of mistake, made alone in a sound catalog: it is named with its place and what is allowed."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bias_platform.catalog import load_catalog, references
from bias_platform.errors import CatalogError

Writer = Callable[..., Path]
GONE = Ellipsis

TYPES: list[tuple[str, Any, str]] = [
    (
        "corpora/posts/reader",
        "tabel",
        "corpora.posts.reader: 'tabel' is not possible; allowed: sbic, exist, hatred, table, sample. Did",
    ),
    ("corpora/posts/pth", "x", "corpora.posts.pth: there is no such field; allowed: reader, path,"),
    ("corpora/posts/columns/txt", "x", "corpora.posts.columns.txt: there is no such field; allowed: text, id,"),
    ("corpora/posts/columns/text", GONE, "corpora.posts.columns.text: is required; add it (the post itself)"),
    ("corpora/posts/columns/text", 3, 'corpora.posts.columns.text: must be a text, not 3; write it in quotes: "3"'),
    ("corpora/posts/decode_html", "maybe", "corpora.posts.decode_html: must be true or false, not 'maybe'"),
    ("corpora/posts", "posts.csv", "corpora.posts: must hold `field: value` lines, not 'posts.csv'"),
    ("corpora/sample/parameters/seed", [1], "corpora.sample.parameters.seed: must be a whole number, not a list"),
    ("corpora/My Posts", {"reader": "sample"}, "corpora.My Posts: 'My Posts' is not a slug; allowed: lower-case"),
    ("corpora", ["posts"], "corpora: must hold entries by slug, not"),
    ("tasks/rude/options", "Yes", "tasks.rude.options: must be a list such as [a, b], not 'Yes'"),
    ("tasks/rude/version", "two", "tasks.rude.version: must be a whole number, not 'two'"),
    (
        "studies/first/items",
        {"n": 0},
        "studies.first.items.n: 0 is not possible: it must be greater than or equal to 1",
    ),
    ("studies/first/systems", [], "studies.first.systems: must hold at least 1, not 0"),
    ("studies/first/systems/0", "ti ny", "studies.first.systems[0]: 'ti ny' is not a system; allowed: base[+adapter]"),
    ("studies/first/analysis/confidence", 95, "studies.first.analysis.confidence: 95 is not possible: it must be less"),
    ("studies/first/analysis/changes/0/form", "big", "studies.first.analysis.changes[0].form: there is no such field"),
    ("models/big/kind", GONE, "models.big.kind: is required; add it (reference: built here by `recipe`"),
    ("models/big/parameters", "many", "models.big.parameters: must be a number, not 'many'"),
    ("persona_sets/people/control/id", "Any one", "control.id: 'Any one' is not a slug; allowed: lower-case"),
    ("descripton", "x", "descripton: there is no such section; allowed: name, description,"),
    ("description", 3, "description: must be a text, not 3"),
    ("name", "Trial 1", "name: 'Trial 1' is not a slug;"),
    ("systems", "tiny", "systems: must be a list such as [a, b], not 'tiny'"),
    ("systems", ["tiny@"], "systems[0]: 'tiny@' is not a system"),
    ("extends", ["demo"], "extends: must be the name or the folder of one catalog, not"),
]

RULES: list[tuple[str, Any, str]] = [
    ("corpora/posts/path", GONE, "corpora.posts.path: is required by the reader 'table'"),
    ("corpora/sample/columns", {"text": "x"}, "corpora.sample.columns: is not used by the reader 'sample'"),
    ("corpora/sample/label_values", {"a": "Yes"}, "corpora.sample.label_values: is used only with `columns.label`"),
    ("corpora/posts/parameters", {"seed": 1}, "corpora.posts.parameters: is not used by the reader 'table'"),
    ("corpora/posts/columns/label_counts", {"n": "Yes"}, "label_counts: cannot stand beside `label`; keep one"),
    (
        "persona_sets/people/control/id",
        "man",
        "control.id: the persona id 'man' stands already in persona_sets.people.",
    ),
    ("persona_sets/people/dimensions/sleep/0/id", "woman", "dimensions.sleep[0].id: the persona id 'woman' stands"),
    ("persona_sets/people/dimensions/sleep/0/phrase", "a man", "sleep[0].phrase: the phrase 'a man' stands already in"),
    ("persona_sets/people/dimensions/sleep/0/id", "no-persona", "'no-persona' is taken by the baseline"),
    ("persona_sets/people/dimensions/sleep", [], "dimensions.sleep: holds no persona"),
    (
        "persona_sets/people/dimensions/control",
        [{"id": "x", "phrase": "an x"}],
        "dimensions.control: the name is taken by the control itself",
    ),
    (
        "template_sets/wordings/templates/role",
        "Play.",
        "templates.role: {persona} is missing; it must stand exactly once",
    ),
    ("template_sets/wordings/templates/role", "{persona} {persona}", "templates.role: {persona} stands 2 times"),
    (
        "template_sets/wordings/templates/view",
        "Play {persona}.",
        "templates.view: the wording 'Play {persona}.' stands",
    ),
    (
        "template_sets/wordings/templates/role",
        "{persona} {perzona}",
        "there is no placeholder '{perzona}'; allowed: {persona}. Did you mean '{persona}'?",
    ),
    ("tasks/rude/question", "Rude? {options}", "tasks.rude.question: {content} is missing"),
    ("tasks/rude/question", "{content}{options}{options}", "question: {options} stands 2 times; it may stand once"),
    ("tasks/rude/options/2/value", "Yes", "tasks.rude.options[2].value: 'Yes' is an option already"),
    ("tasks/rude/options/2/value", "No ", "tasks.rude.options[2].value: 'No ' is empty or has spaces around it"),
    ("tasks/rude/positive", ["Yess"], "tasks.rude.positive[0]: there is no option 'Yess'; allowed: Yes, Perhaps, No"),
    ("tasks/rude/set_aside", ["None"], "tasks.rude.set_aside[0]: there is no option 'None'"),
    ("tasks/rude/positive_lenient", ["Perhaps"], "positive_lenient: must contain all of `positive`; add Yes"),
    ("tasks/rude/set_aside", ["Perhaps"], "set_aside: Perhaps cannot be both a yes and no judgement"),
    ("tasks/rude/positive_lenient", ["Yes", "No", "Perhaps"], "positive_lenient: leaves no option that counts as no"),
    ("models/tiny/recipe", GONE, "models.tiny.recipe: is required by a model of kind 'reference'"),
    ("models/big/hub_id", GONE, "models.big.hub_id: is required by a model of kind 'hub'"),
    ("models/served/api_name", GONE, "models.served.api_name: is required by a model of kind 'api'"),
    ("models/tiny/kind", "api", "models.tiny.recipe: only a reference model has one, this is of kind 'api'; remove it"),
    (
        "models/tiny/recipe/hidden_size",
        100,
        "models.tiny.recipe.hidden_size: 100 must be a multiple of twice the heads",
    ),
    ("adapters/tuned/target_modules", [], "adapters.tuned.target_modules: must name at least one module"),
    (
        "adapters/tuned/training/personas",
        "composite",
        "training.composite_pattern: is required by `personas: composite`",
    ),
    ("adapters/tuned/training/composite_pattern", "{gender}", "composite_pattern: is used only with `personas: compos"),
    ("studies/first/systems/1", "tiny", "studies.first.systems[1]: 'tiny' is named twice; keep one"),
    ("studies/first/dimensions", ["sleep", "sleep"], "studies.first.dimensions[1]: 'sleep' is named twice"),
    ("studies/first/analysis/changes/0/to", "tiny", "changes[0]: compares 'tiny' with itself"),
    (
        "studies/first/analysis/families",
        {"tuned": {"title": "Tuned", "systems": ["big"]}},
        "analysis.families.tuned.systems[0]: 'big' is not among the study's systems; allowed: tiny",
    ),
    (
        "studies/first/analysis/families",
        {"sleepers": {"title": "Sleepers", "dimensions": ["slep"]}},
        "analysis.families.sleepers.dimensions[0]: there is no dimension of the study 'slep'",
    ),
    (
        "studies/first/analysis/families",
        {"one": {"title": "Sleep"}, "two": {"title": "Sleep"}},
        "analysis.families.two.title: is the title of family 'one' too; name one otherwise",
    ),
    (
        "studies/first/analysis/families",
        {"one": {"title": "One", "personas": ["nobody"]}},
        "analysis.families.one.personas[0]: there is no persona of these dimensions 'nobody'",
    ),
    (
        "studies/first/analysis/changes/0/to",
        "big",
        "changes[0].to: 'big' is not among the study's systems; allowed: tiny",
    ),
]

REFERENCES: list[tuple[str, Any, str]] = [
    (
        "studies/first/task",
        "rudee",
        "studies.first.task: there is no task 'rudee'; allowed: rude. Did you mean 'rude'?",
    ),
    ("studies/first/corpus", "post", "studies.first.corpus: there is no corpus 'post'; allowed: posts, sample. Did"),
    ("studies/first/persona_set", "x", "studies.first.persona_set: there is no persona set 'x'; allowed: people"),
    ("studies/first/template_set", "x", "studies.first.template_set: there is no template set 'x'; allowed: wordings"),
    (
        "studies/first/dimensions",
        ["sleeep"],
        "studies.first.dimensions[0]: there is no dimension 'sleeep'; allowed: gen",
    ),
    ("studies/first/systems/2", "bgi", "studies.first.systems[2]: 'bgi': there is no model 'bgi'; allowed: tiny, big"),
    ("studies/first/systems/2", "big+tund", "'big+tund': there is no adapter 'tund'; allowed: tuned. Did you mean 'tu"),
    ("studies/first/systems/2", "big@nf4", "'big@nf4': there is no quantization 'nf4'; allowed: int8"),
    ("studies/first/systems/2", "served", "systems[2]: 'served' is an API model, which only engine.name: op"),
    ("studies/first/systems/2", "served+tuned", "'served' is an API model, which has no weights here to adapt"),
    ("studies/first/engine", {"name": "openai"}, "studies.first.engine.scoring: 'sum' needs the log-probabilities"),
    ("studies/first/engine", {"name": "openai"}, "systems[0]: 'tiny' has its weights here; engine.name: openai asks"),
    ("studies/first/engine", {"structured": True}, "studies.first.engine.structured: works with the engines vllm and"),
    (
        "models/served/price",
        {"input": 1, "output": 1, "currency": "dollars"},
        "models.served.price.currency: 'dollars' is not a currency; write its three capital letters, e.g. USD",
    ),
    ("studies/first/replicates", 2, "studies.first.replicates: asks the same again, and without sampling"),
    ("tasks/rude/answer", "sentence", "tasks.rude.patterns: must give at least one for answers of kind 'sentence'"),
    ("tasks/rude/answer", "text", "tasks.rude.options: is not used by answers of kind 'text'; remove it"),
    ("tasks/rude/answer", "option-list", "engine.ask: the answers of task 'rude' (option-list) can only be written"),
    ("tasks/rude/patterns", ["The meme."], "tasks.rude.patterns[0]: names no part; write e.g. {group} where"),
    ("tasks/rude/patterns", ["It is {a}.", "It {is"], "tasks.rude.patterns[1]: has a brace that belongs to no part;"),
    ("tasks/rude/patterns", ["It is {A b}."], "tasks.rude.patterns[0]: has a brace that belongs to no part; write"),
    ("tasks/rude/patterns", ["{a} and {a}."], "patterns[0]: {a} stands more than once; give each part a name of its"),
    ("tasks/rude/patterns", ["It is {a}{b}."], "patterns[0]: has two parts with nothing between them; put a word or"),
    ("tasks/rude/patterns", ["The {a}."], "tasks.rude.patterns: is not used by answers of kind 'option'; remove it"),
    ("tasks/rude/positive", GONE, "tasks.rude.positive: must name at least one option that counts as yes"),
    ("systems", ["big", "bigg"], "systems[1]: 'bigg': there is no model 'bigg'"),
    ("studies/first/option_orders", 25, "studies.first.option_orders: 25 is too many: 4 options have 24 orders"),
    ("studies/first/analysis/groups", "gendr", "analysis.groups: there is no attribute of the personas 'gendr'; allow"),
    ("models/tiny/recipe/corpus", "x", "models.tiny.recipe.corpus: there is no corpus 'x'"),
    ("adapters/tuned/training/task", "x", "adapters.tuned.training.task: there is no task 'x'; allowed: rude"),
    ("adapters/tuned/training/dimensions", ["x"], "adapters.tuned.training.dimensions[0]: there is no dimension 'x'"),
    ("adapters/tuned/training/dimensions", ["sleep"], "training.personas: no persona of 'people' has `attributes`"),
    ("corpora/posts/columns/annotator_attributes", {"age": "a"}, "training.corpus: 'posts' says none of gender of its"),
    (
        "corpora/posts/label_values/1",
        "yes",
        "corpora.posts.label_values.1: 'yes' is no option of the task 'rude' (stud",
    ),
    ("models/tuned", {"kind": "hub", "hub_id": "a/b"}, "adapters.tuned: is the slug of a model too"),
]


def _change(catalog: dict[str, Any], path: str, value: Any) -> None:
    *way, last = path.split("/")
    place: Any = catalog
    for part in way:
        place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
    if value is GONE:
        del place[int(last) if isinstance(place, list) else last]
    elif isinstance(place, list):
        place[int(last)] = value
    else:
        place[last] = value


def _lines(folder: Path) -> list[str]:
    with pytest.raises(CatalogError) as caught:
        load_catalog(folder)
    return str(caught.value).splitlines()[1:]


def test_the_sound_catalog_is_sound(write: Writer, sound: dict[str, Any]) -> None:
    assert load_catalog(write({"a.yaml": sound})).name == "trial"


@pytest.mark.parametrize(("path", "value", "expected"), [*TYPES, *RULES, *REFERENCES])
def test_mistake_is_named(write: Writer, sound: dict[str, Any], path: str, value: Any, expected: str) -> None:
    _change(sound, path, value)
    assert any(expected in line for line in _lines(write({"a.yaml": sound})))


@pytest.mark.parametrize(("path", "value", "expected"), TYPES)
def test_wrong_type_is_said_once_and_in_its_own_words(
    write: Writer, sound: dict[str, Any], path: str, value: Any, expected: str
) -> None:
    """No sentence in the checker's jargon, none that repeats another."""
    _change(sound, path, value)
    lines = _lines(write({"a.yaml": sound}))
    assert not any("Input should" in line or "pydantic" in line for line in lines)
    assert len({line.split(": ")[1] for line in lines}) == len(lines)


def test_composite_pattern(write: Writer, sound: dict[str, Any]) -> None:
    training = sound["adapters"]["tuned"]["training"]
    training |= {"personas": "composite", "composite_pattern": "a {gender} of {age}", "composite_values": {"gendr": {}}}
    (line,) = _lines(write({"a.yaml": sound}))
    assert "composite_values.gendr: there is no attribute in composite_pattern 'gendr'; allowed: gender, age" in line
    training |= {"composite_pattern": "a person", "composite_values": {}}
    (line,) = _lines(write({"a.yaml": sound}))
    assert "composite_pattern: names no attribute" in line


def test_unlabelled_corpus_cannot_train_but_can_be_studied(write: Writer, sound: dict[str, Any]) -> None:
    sound["corpora"]["posts"] = {"path": "posts.csv", "columns": {"text": "post"}}
    sound["adapters"]["tuned"]["training"]["corpus"] = "sample"
    (line,) = _lines(write({"a.yaml": sound}))
    assert "models.tiny.recipe.corpus: 'posts' has no human labels to learn from" in line
    sound["models"]["tiny"]["recipe"]["corpus"] = "sample"
    assert load_catalog(write({"a.yaml": sound})).studies["first"].corpus == "posts"


def test_counts_of_two_columns_may_stand_for_one_option(write: Writer, sound: dict[str, Any]) -> None:
    columns = sound["corpora"]["posts"]["columns"]
    del columns["label"], sound["corpora"]["posts"]["label_values"]
    columns["label_counts"] = {"hate": "Yes", "rude": "Yes", "fine": "No"}
    assert load_catalog(write({"a.yaml": sound})).corpora["posts"].columns is not None
    columns["label_counts"]["fine"] = "Fine"
    assert any("columns.label_counts.fine: 'Fine' is no option" in line for line in _lines(write({"a.yaml": sound})))


def test_same_slug_in_two_files(write: Writer, sound: dict[str, Any]) -> None:
    other = {"models": {"big": {"kind": "hub", "hub_id": "x/y"}}, "name": "again"}
    lines = _lines(write({"a.yaml": sound, "b.yaml": other}))
    assert len(lines) == 2
    assert "b.yaml:2: models.big: is already declared in a.yaml:" in lines[0]
    assert "b.yaml:5: name: is already declared in a.yaml:1; keep one or rename one" in lines[1]


def test_grid_beyond_what_can_be_kept(monkeypatch: pytest.MonkeyPatch, write: Writer, sound: dict[str, Any]) -> None:
    assert references.MOST_PARTITIONS == 25_000
    monkeypatch.setattr(references, "MOST_PARTITIONS", 14)
    (line,) = _lines(write({"a.yaml": sound}))
    assert "studies.first.systems: 3 systems x 5 personas are 15 partitions; at most 14 can be kept" in line
    sound["studies"]["first"]["no_persona_baseline"] = False
    assert load_catalog(write({"a.yaml": sound})).name == "trial"


def test_names_in_a_broken_entry_are_checked_too(write: Writer, sound: dict[str, Any]) -> None:
    """One round of mending, not two: the wrong number does not hide the wrong name beside it."""
    sound["studies"]["first"] |= {"option_orders": 0, "task": "rood", "systems": ["tiny", "bigg"]}
    text = "\n".join(_lines(write({"a.yaml": sound})))
    assert "option_orders: 0 is not possible" in text
    assert "there is no task 'rood'" in text
    assert "there is no model 'bigg'" in text


def test_a_broken_entry_still_counts_as_declared(write: Writer, sound: dict[str, Any]) -> None:
    sound["tasks"]["rude"]["version"] = 0
    (line,) = _lines(write({"a.yaml": sound}))
    assert "tasks.rude.version: 0 is not possible" in line


def _places(value: Any, path: tuple[str, ...] = ()) -> list[str]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    deeper = [place for key, inner in pairs for place in _places(inner, (*path, str(key)))]
    return (["/".join(path)] if path else []) + deeper


_ANYTHING = st.one_of(
    st.just(GONE),
    st.none(),
    st.booleans(),
    st.integers(-2, 3),
    st.floats(allow_nan=False),
    st.sampled_from(
        ["", " ", "tiny", "Yes", "no-persona", "{persona}", "{content}", "a/b", "x" * 300, "@", "+", "é\n"]
    ),
    st.sampled_from([[], {}, [None], [[]], {"id": "x"}, {"": ""}, [{"id": 1}], {"x": {"y": []}}]),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_stands_anywhere_the_user_gets_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, sound: dict[str, Any], data: st.DataObject
) -> None:
    """Any value at any place: the catalog loads or a CatalogError is raised, and nothing else ever."""
    broken = deepcopy(sound)
    for _ in range(data.draw(st.integers(1, 3))):
        _change(broken, data.draw(st.sampled_from(_places(broken))), deepcopy(data.draw(_ANYTHING)))
        if not broken:
            break
    folder = tmp_path_factory.mktemp("broken")
    (folder / "a.yaml").write_text(yaml.safe_dump(broken), "utf-8")
    assert all(line.startswith("  - ") for line in _problems(folder))


def _problems(folder: Path) -> list[str]:
    try:
        load_catalog(folder)
    except CatalogError as error:
        return str(error).splitlines()[1:]
    return []
