"""Drawing items: seeded, nested, blind to row order."""

import pandas as pd
import pytest

from bias_platform.catalog.entries import ItemSample
from bias_platform.errors import CorpusError
from bias_platform.prompts import draw_items


@pytest.fixture(scope="module")
def items() -> pd.DataFrame:
    ids = [f"item-{n:04d}" for n in range(1000)]
    return pd.DataFrame({"item_id": ids, "text": ids, "split": ["test", "train"] * 500})


def test_row_order_does_not_matter_and_samples_are_nested(items: pd.DataFrame) -> None:
    small = draw_items(items, ItemSample(n=50, split="test", seed=3))
    shuffled = draw_items(items.sample(frac=1, random_state=1), ItemSample(n=50, split="test", seed=3))
    pd.testing.assert_frame_equal(small, shuffled)
    large = draw_items(items, ItemSample(n=80, split="test", seed=3))
    assert set(small["item_id"]) < set(large["item_id"])
    assert set(small["split"]) == {"test"}
    assert set(small["item_id"]) != set(draw_items(items, ItemSample(n=50, split="test", seed=4))["item_id"])


def test_every_item_is_equally_likely(items: pd.DataFrame) -> None:
    few = items.head(10)
    counts = pd.concat([draw_items(few, ItemSample(n=3, seed=seed)) for seed in range(1000)])["item_id"].value_counts()
    assert counts.sum() == 3000
    assert counts.min() > 300 - 4 * 14.5  # 4 sd of a binomial count
    assert counts.max() < 300 + 4 * 14.5


def test_all_items_without_n(items: pd.DataFrame) -> None:
    assert len(draw_items(items, ItemSample())) == 1000
    assert len(draw_items(items, ItemSample(n=500, split="train"))) == 500


def test_too_many_and_unknown_splits_are_refused(items: pd.DataFrame) -> None:
    with pytest.raises(CorpusError, match=r"items\.n: 501 items are asked for, the split 'test' has 500"):
        draw_items(items, ItemSample(n=501, split="test"))
    with pytest.raises(CorpusError, match="no item in the split 'dev'; its splits: test, train"):
        draw_items(items, ItemSample(split="dev"))
