"""The items on which the personas of a system part most: where to look."""

import numpy as np
import pandas as pd

from bias_platform.analysis.answers import Answers
from bias_platform.analysis.item_cube import ItemCube

SHOWN = 10


def divided_items(answers: Answers, cube: ItemCube, texts: pd.DataFrame | None, show_texts: bool) -> pd.DataFrame:
    """The ten most divided items of each system; schema `DividedItems`. Picked by their answers: no estimate.

    Args:
        texts: table `Items`; its texts are passed on only with `show_texts`.
    """
    share = cube.mean[:, cube.positions(answers.named), :]
    known = np.isfinite(share)
    count = known.sum(axis=1)
    filled = np.where(known, share, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(axis=1) / count
        division = 2.0 * np.sqrt(np.maximum((filled**2).sum(axis=1) / count - mean**2, 0.0))
    parts = []
    for k, system in enumerate(cube.systems):
        order = np.argsort(-np.nan_to_num(division[:, k]), kind="stable")[:SHOWN]
        order = order[np.nan_to_num(division[order, k]) > 0]
        parts.append(
            pd.DataFrame(
                {
                    "system": system,
                    "item_id": [cube.items[i] for i in order],
                    "personas": count[order, k],
                    "yes_share": mean[order, k],
                    "division": np.minimum(division[order, k], 1.0),
                }
            )
        )
    table = pd.concat(parts, ignore_index=True)
    quoted = texts.set_index("item_id")["text"] if show_texts and texts is not None else pd.Series(dtype=object)
    return table.assign(text=quoted.reindex(table["item_id"]).to_numpy(object))
