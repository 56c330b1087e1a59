"""Finding a catalog, putting its files together, inheriting from another."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_platform.catalog import catalog_folder, load_catalog, shipped_catalogs
from bias_platform.catalog.layers import INHERITED_SECTIONS, read_layers
from bias_platform.errors import CatalogError

Writer = Callable[..., Path]


def test_demo_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BIAS_PLATFORM_CATALOG", raising=False)
    assert load_catalog().name == "demo"


def test_environment_names_the_catalog(monkeypatch: pytest.MonkeyPatch, write: Writer, sound: dict[str, Any]) -> None:
    monkeypatch.setenv("BIAS_PLATFORM_CATALOG", str(write({"a.yaml": sound})))
    assert load_catalog().name == "trial"
    assert load_catalog("demo").name == "demo"


def test_folder_relative_to_the_current_one(
    monkeypatch: pytest.MonkeyPatch, write: Writer, sound: dict[str, Any]
) -> None:
    folder = write({"a.yaml": sound})
    monkeypatch.chdir(folder.parent)
    assert catalog_folder("trial") == folder.resolve()
    assert load_catalog(Path("trial")).name == "trial"


def test_a_folder_called_demo_does_not_hide_the_shipped_one(monkeypatch: pytest.MonkeyPatch, write: Writer) -> None:
    monkeypatch.chdir(write({"a.yaml": "name: mine"}, folder="demo").parent)
    assert load_catalog("demo").name == "demo"
    assert load_catalog("./demo").name == "mine"


def test_unknown_catalog_names_the_shipped_ones_and_the_nearest() -> None:
    with pytest.raises(CatalogError, match=r"no catalog 'dmeo'.*\(demo, demo-persona, paper\).*Did you mean 'demo'"):
        load_catalog("dmeo")


def test_folder_without_yaml(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"holds no \.yaml file"):
        load_catalog(tmp_path)


def test_shared_building_blocks_are_no_catalog_of_their_own() -> None:
    assert shipped_catalogs() == ("demo", "demo-persona", "paper")


def test_sections_may_be_spread_over_files(write: Writer, sound: dict[str, Any]) -> None:
    files: dict[str, Any] = {f"{section}.yml": {section: value} for section, value in sound.items()}
    folder = write(files)
    catalog = load_catalog(folder)
    assert catalog.studies["first"].systems == ("tiny", "tiny+tuned", "big@int8")
    assert catalog.origins["studies/first"] == folder / "studies.yml"
    assert catalog.origins["corpora/posts"] == folder / "corpora.yml"


def test_name_defaults_to_the_folder(write: Writer, sound: dict[str, Any]) -> None:
    del sound["name"]
    assert load_catalog(write({"a.yaml": sound}, folder="my-posts")).name == "my-posts"
    with pytest.raises(CatalogError, match=r"no file has a `name:`.*'My posts' is not a slug.*Did you mean 'my-posts'"):
        load_catalog(write({"a.yaml": sound}, folder="My posts"))


def test_empty_sections_are_allowed(write: Writer) -> None:
    catalog = load_catalog(write({"a.yaml": "name: x\ncorpora:\nsystems:\ndescription:\n"}))
    assert (dict(catalog.corpora), catalog.systems, catalog.description) == ({}, (), "")


def test_extends_inherits_building_blocks_but_no_study(write: Writer, sound: dict[str, Any]) -> None:
    sound["systems"] = ["big"]
    base = write({"a.yaml": sound}, folder="base")
    folder = write({"b.yaml": {"extends": "../base", "models": {"big": {"kind": "hub", "hub_id": "mine/big"}}}})
    catalog = load_catalog(folder)
    assert set(catalog.models) == {"tiny", "big", "served"}
    assert catalog.models["big"].hub_id == "mine/big"
    assert catalog.origins["models/big"] == folder / "b.yaml"
    assert catalog.origins["models/tiny"] == base / "a.yaml"
    assert (dict(catalog.studies), catalog.systems, catalog.name) == ({}, (), "trial")


def test_own_entry_wins_whole_not_field_by_field(write: Writer, sound: dict[str, Any]) -> None:
    write({"a.yaml": sound}, folder="base")
    own = {"extends": "../base", "corpora": {"posts": {"path": "other.csv", "columns": {"text": "t"}}}}
    own["models"] = {"tiny": {"kind": "hub", "hub_id": "x/y"}}
    own["adapters"] = {"tuned": {"training": {**sound["adapters"]["tuned"]["training"], "corpus": "sample"}}}
    posts = load_catalog(write({"b.yaml": own})).corpora["posts"]
    assert posts.columns is not None
    assert (posts.columns.label, posts.label_values) == (None, {})


def test_mistakes_of_an_extended_catalog_name_its_file(write: Writer, sound: dict[str, Any]) -> None:
    sound["models"]["big"]["kind"] = "hubb"
    base = write({"a.yaml": sound}, folder="base")
    with pytest.raises(CatalogError) as caught:
        load_catalog(write({"b.yaml": {"extends": "../base"}}))
    assert f"{base / 'a.yaml'}:" in str(caught.value)
    assert "models.big.kind: 'hubb' is not possible" in str(caught.value)


def test_circle_of_extends(write: Writer) -> None:
    write({"a.yaml": "extends: ../two"}, folder="one")
    folder = write({"a.yaml": "extends: ../one"}, folder="two")
    with pytest.raises(CatalogError, match=r"in a circle \(two -> one -> two\)"):
        load_catalog(folder)


def test_unreadable_parts_do_not_drown_the_message(write: Writer, sound: dict[str, Any]) -> None:
    """When a file or the extended catalog is missing, names that lead nowhere mean nothing yet."""
    study = {"name": "x", "extends": "dmeo", "studies": sound["studies"]}
    with pytest.raises(CatalogError) as caught:
        load_catalog(write({"a.yaml": study}))
    assert str(caught.value).count("\n") == 1
    assert "a.yaml:2: extends: there is no catalog 'dmeo'" in str(caught.value)


_slugs = st.text("abc", min_size=1, max_size=2)
_sections = st.dictionaries(st.sampled_from(INHERITED_SECTIONS), st.dictionaries(_slugs, st.integers(0, 9), max_size=4))


@settings(deadline=None)
@given(base=_sections, own=_sections)
def test_merging_is_a_union_by_slug_in_which_own_entries_win(
    tmp_path_factory: pytest.TempPathFactory, base: dict[str, Any], own: dict[str, Any]
) -> None:
    home = tmp_path_factory.mktemp("merge")
    for name, content in (("base", base), ("own", {**own, "extends": "../base"})):
        (home / name).mkdir()
        (home / name / "a.yaml").write_text(yaml.safe_dump(content), "utf-8")
    raw = read_layers(home / "own")
    assert raw.problems == []
    for section in INHERITED_SECTIONS:
        assert raw.sections[section] == {**base.get(section, {}), **own.get(section, {})}
        for slug in raw.sections[section]:
            origin = "own" if slug in own.get(section, {}) else "base"
            assert raw.files[(section, slug)].path.parent.name == origin
