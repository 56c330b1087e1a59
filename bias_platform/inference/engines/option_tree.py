"""The options of a question as one small tree of tokens, read in the same pass as the question's last tokens."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bias_platform.errors import UserError
from bias_platform.inference.engines.base import FloatArray, Scoring, TokenArray


class OptionTree(NamedTuple):
    """Tokens to read after a prompt, who sees whom, and which outputs make up which option's score.

    Output 0 is that of the prompt's last token, output 1 + j that of the tree's token j. An option's last token is not
    read: nothing is predicted from it. Options that begin alike share their beginning.
    """

    tokens: TokenArray
    """to be read, parents before children"""
    offsets: npt.NDArray[np.int64]
    """position of each, counted from the prompt's last token"""
    sees: npt.NDArray[np.bool_]
    """tokens x tokens: whether the row's token may attend to the column's"""
    outputs: npt.NDArray[np.int64]
    """one per scored token: the output it is predicted from"""
    targets: npt.NDArray[np.int64]
    """one per scored token: its id"""
    weights: FloatArray
    """scored tokens x options: how much each counts in an option's score"""

    @property
    def read_tokens(self) -> int:
        """Tokens read per prompt, beyond the prompt."""
        return len(self.tokens)


def build_option_tree(options: Sequence[str], tokens: Sequence[Sequence[int]], scoring: Scoring) -> OptionTree:
    """Makes the tree of a question's options.

    `sum` adds the log-probabilities of an option's tokens, `mean` divides that by their number, `first-token` takes
    the first one only.

    Args:
        options: texts, for messages.
        tokens: ids of each option.
        scoring: the rule.

    Raises:
        UserError: an option without tokens; options the rule cannot tell apart.
    """
    _refuse_indistinguishable(options, tokens, scoring)
    scored = [list(ids[:1] if scoring == "first-token" else ids) for ids in tokens]
    nodes: dict[tuple[int, ...], int] = {(): -1}
    for ids in scored:
        for size in range(1, len(ids)):
            nodes.setdefault(tuple(ids[:size]), len(nodes) - 1)
    paths = list(nodes)[1:]
    places = [(option, ids, place) for option, ids in enumerate(scored) for place in range(len(ids))]
    weights = np.zeros((len(places), len(scored)))
    for row, (option, ids, _) in enumerate(places):
        weights[row, option] = 1.0 / len(ids) if scoring == "mean" else 1.0
    return OptionTree(
        tokens=np.array([path[-1] for path in paths], dtype=np.int32),
        offsets=np.array([len(path) for path in paths], dtype=np.int64),
        sees=_ancestry(paths),
        outputs=np.array([nodes[tuple(ids[:place])] + 1 for _, ids, place in places], dtype=np.int64),
        targets=np.array([ids[place] for _, ids, place in places], dtype=np.int64),
        weights=weights,
    )


def _ancestry(paths: Sequence[tuple[int, ...]]) -> npt.NDArray[np.bool_]:
    sees = np.zeros((len(paths), len(paths)), dtype=np.bool_)
    for row, path in enumerate(paths):
        for column, other in enumerate(paths):
            sees[row, column] = path[: len(other)] == other
    return sees


def _refuse_indistinguishable(options: Sequence[str], tokens: Sequence[Sequence[int]], scoring: Scoring) -> None:
    empty = [option for option, ids in zip(options, tokens, strict=True) if not len(ids)]
    if empty:
        raise UserError(f"option {empty[0]!r} has no token for this model; every option needs at least one")
    for left in range(len(options)):
        for right in range(len(options)):
            short, long = tuple(tokens[left]), tuple(tokens[right])
            if left == right or (short == long and left > right):
                continue
            if scoring == "first-token" and left < right and short[0] == long[0]:
                raise UserError(
                    f"options {options[left]!r} and {options[right]!r} begin with the same token for this model, so "
                    "engine.scoring 'first-token' cannot tell them apart; use 'sum' or 'mean'"
                )
            if scoring == "sum" and long[: len(short)] == short:
                raise UserError(
                    f"option {options[right]!r} begins with all of option {options[left]!r} for this model, so under "
                    "engine.scoring 'sum' it could never be chosen; use 'mean', or reword one of them"
                )
            if scoring == "mean" and short == long:
                raise UserError(f"options {options[left]!r} and {options[right]!r} are the same tokens for this model")
