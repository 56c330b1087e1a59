"""Prompts and options as token ids, each distinct text tokenized once.

A chat template writes the system part, then the user part, then the opening of the model's turn. Where a special token
stands between two parts, tokenizers split there, so the parts can be tokenized apart and joined: P personas x N posts
cost P + N tokenizations instead of P x N. Every call compares some joined prompts with the whole prompt tokenized at
once; if any differs, all of them are tokenized whole.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jinja2
import numpy as np

from bias_platform.errors import UserError
from bias_platform.inference.engines.base import Prompt, Scoring, TokenArray
from bias_platform.inference.engines.option_tree import OptionTree, build_option_tree
from bias_platform.models.chat import TEMPLATE_VARIABLES, render_prompts, takes_parts_only, tokenize

_SLOT = "@@the-post-goes-here@@"
_COMPARED = 5

_Head = tuple[tuple[str, str], ...]


class EncodedPrompts(NamedTuple):
    """Prompts as tokens, up to where their options begin to differ from each other or from the prompt."""

    prompts: list[TokenArray]
    trees: list[OptionTree]
    """the distinct sets of options"""
    tree_of: list[int]
    """per prompt, its position in `trees`"""
    option_tokens: list[list[list[int]]]
    """per tree, the ids of each option that are scored"""


def full_lengths(encoded: EncodedPrompts, row: int) -> list[int]:
    """Tokens to be read for each option of a prompt when nothing is shared (an option's last token is not read)."""
    return [len(encoded.prompts[row]) + len(ids) - 1 for ids in encoded.option_tokens[encoded.tree_of[row]]]


class _Frame(NamedTuple):
    """What the chat template writes around a user message."""

    head: str
    """up to a special token; tokenized once for all user messages"""
    before: str
    after: str
    trims: bool
    """whether the template strips the message"""
    tail: str | None
    """the end of `after` that is tokenized independently of the message; None: there is no such end"""


class ChatEncoder:
    """Turns chats and options into token ids.

    Where do an option's tokens begin? If the ids of the prompt are a prefix of the ids of prompt + option, they are
    what follows. If a token reaches across the border for any of the options (a space joining the next word, say), all
    options of that prompt are scored from the first token at which any of them differs from the prompt's ids: all
    scores then are conditional on the same beginning.

    Args:
        tokenizer: with a chat template.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.joins_parts = True
        self.lists_parts = takes_parts_only(tokenizer)
        self._splitting = _splitting_tokens(tokenizer)
        self._heads: dict[_Head, _Frame | None] = {}

    def encode(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]], scoring: Scoring) -> EncodedPrompts:
        """Token ids of all prompts and their options.

        Raises:
            UserError: options the scoring rule cannot tell apart.
            ModelLoadError: the chat template refuses the messages.
        """
        ids, tails = self._tokens(prompts)
        return self._with_options(ids, tails, options, scoring)

    def encode_prompts(self, prompts: Sequence[Prompt]) -> list[TokenArray]:
        """Token ids of all prompts, up to where the answer begins.

        Raises:
            ModelLoadError: the chat template refuses the messages.
        """
        return self._tokens(prompts)[0]

    def _tokens(self, prompts: Sequence[Prompt]) -> tuple[list[TokenArray], list[str]]:
        """Ids of the prompts, and the end of each prompt's text that options are attached to."""
        ids, tails = self._joined(prompts) if self.joins_parts else self._whole(prompts)
        if self.joins_parts and not self._same_as_whole(prompts, ids):
            self.joins_parts = False
            ids, tails = self._whole(prompts)
        return ids, tails

    def encode_read(
        self, ids: list[TokenArray], texts: Sequence[str], options: Sequence[Sequence[str]], scoring: Scoring
    ) -> EncodedPrompts:
        """As `encode`, for prompts that somebody else made tokens of.

        Args:
            ids: of each prompt; they end like those of its text.
            texts: what the chat template wrote.
            options: of each prompt.
            scoring: how options are compared.

        Raises:
            UserError: options the scoring rule cannot tell apart.
        """
        return self._with_options(ids, [self.tail(text) for text in texts], options, scoring)

    def tail(self, text: str) -> str:
        """The end of a text whose tokens do not depend on what is before it."""
        starts = [match.start() for match in self._splitting.finditer(text)]
        return text[starts[-1] :] if starts else text

    def end_of_turn(self) -> int | None:
        """The special token that the chat template writes after an assistant's message; None: there is none."""
        chat = self._messages([("user", "?"), ("assistant", _SLOT)])
        try:
            text = self.tokenizer.apply_chat_template(chat, tokenize=False, **TEMPLATE_VARIABLES)
        except (jinja2.TemplateError, TypeError, ValueError, AttributeError, KeyError):  # refuses such a chat
            return None
        after = text.rpartition(_SLOT)[2].lstrip() if _SLOT in text else ""
        ids = tokenize(self.tokenizer, [after])[0] if after else []
        special = [token for token in ids[:1] if token in self.tokenizer.added_tokens_decoder]
        return special[0] if special and self.tokenizer.added_tokens_decoder[special[0]].special else None

    def _messages(self, pairs: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
        return [{"role": role, "content": _as_list(text) if self.lists_parts else text} for role, text in pairs]

    def _whole(self, prompts: Sequence[Prompt]) -> tuple[list[TokenArray], list[str]]:
        chats = [self._messages(_pairs(prompt.messages)) for prompt in prompts]
        texts = render_prompts(self.tokenizer, chats) if prompts else []
        return [np.array(ids, dtype=np.int32) for ids in tokenize(self.tokenizer, texts)], texts

    def _joined(self, prompts: Sequence[Prompt]) -> tuple[list[TokenArray], list[str]]:
        pairs, tails = [], []
        for prompt in prompts:
            head = tuple(_pairs(prompt.messages[:-1]))
            head_text, part, tail = self._parts(head, prompt.messages[-1]["content"])
            pairs.append((head_text, part))
            tails.append(tail)
        heads = self._tokens_of([head for head, _ in pairs])
        parts = self._tokens_of([part for _, part in pairs])
        return [np.concatenate([heads[head], parts[part]]) for head, part in pairs], tails

    def _tokens_of(self, texts: list[str]) -> dict[str, TokenArray]:
        distinct = list(dict.fromkeys(texts))
        ids = tokenize(self.tokenizer, distinct)
        return {text: np.array(tokens, dtype=np.int32) for text, tokens in zip(distinct, ids, strict=True)}

    def _parts(self, head: _Head, content: str) -> tuple[str, str, str]:
        """Text up to the user part, the user part, and the end of it that options are attached to."""
        if head not in self._heads:
            self._heads[head] = self._frame(head)
        frame = self._heads[head]
        if frame is None:
            text = render_prompts(self.tokenizer, [self._messages([*head, ("user", content)])])[0]
            return "", text, text
        part = frame.before + (content.strip() if frame.trims else content) + frame.after
        return frame.head, part, part if frame.tail is None else frame.tail

    def _frame(self, head: _Head) -> _Frame | None:
        """None: the template does something else with the message than to write it down once."""
        slot = f"  {_SLOT}  "
        text = render_prompts(self.tokenizer, [self._messages([*head, ("user", slot)])])[0]
        if text.count(_SLOT) != 1:
            return None
        trims = slot not in text
        before, after = text.split(_SLOT if trims else slot)
        starts = [match.start() for match in self._splitting.finditer(before)]
        cut = starts[-1] if starts else 0
        ends = [match.start() for match in self._splitting.finditer(after)]
        return _Frame(before[:cut], before[cut:], after, trims, after[ends[-1] :] if ends else None)

    def _same_as_whole(self, prompts: Sequence[Prompt], ids: list[TokenArray]) -> bool:
        if not prompts:
            return True
        spread = {int(row) for row in np.linspace(0, len(prompts) - 1, min(_COMPARED, len(prompts)))}
        rows = sorted(spread | {max(range(len(ids)), key=lambda row: len(ids[row]))})
        whole, _ = self._whole([prompts[row] for row in rows])
        return all(np.array_equal(ids[row], other) for row, other in zip(rows, whole, strict=True))

    def _with_options(
        self, ids: list[TokenArray], tails: list[str], options: Sequence[Sequence[str]], scoring: Scoring
    ) -> EncodedPrompts:
        encoded = EncodedPrompts([], [], [], [])
        known: dict[tuple[str, tuple[str, ...]], tuple[int, int]] = {}
        trees: dict[tuple[tuple[int, ...], ...], int] = {}
        for prompt, tail, texts in zip(ids, tails, options, strict=True):
            key = (tail, tuple(texts))
            if key not in known:
                cut, tokens = self._option_tokens(tail, texts)
                signature = tuple(tuple(option) for option in tokens)
                if signature not in trees:
                    trees[signature] = len(trees)
                    encoded.trees.append(build_option_tree(texts, tokens, scoring))
                    encoded.option_tokens.append([ids[:1] for ids in tokens] if scoring == "first-token" else tokens)
                known[key] = (trees[signature], cut)
            tree, cut = known[key]
            if cut >= len(prompt):
                raise UserError("a prompt has no token before its options; give the task a question")
            encoded.prompts.append(prompt[: len(prompt) - cut])
            encoded.tree_of.append(tree)
        return encoded

    def _option_tokens(self, tail: str, options: Sequence[str]) -> tuple[int, list[list[int]]]:
        """How many tokens to take off the prompt's end, and each option's ids from there on."""
        alone, *joined = tokenize(self.tokenizer, [tail, *(tail + option for option in options)])
        stable = min((_common(alone, ids) for ids in joined), default=0)
        return len(alone) - stable, [list(ids[stable:]) for ids in joined]


def _common(left: Sequence[int], right: Sequence[int]) -> int:
    size = min(len(left), len(right))
    return next((place for place in range(size) if left[place] != right[place]), size)


def _pairs(messages: Iterable[Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    return ((message["role"], message["content"]) for message in messages)


def _as_list(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]


def _splitting_tokens(tokenizer: Any) -> re.Pattern[str]:
    """Matches the special tokens before which a text may be cut without changing its tokens."""
    contents = [
        token.content
        for token in tokenizer.added_tokens_decoder.values()
        if token.special and not token.lstrip and not token.single_word and token.content
    ]
    alternatives = [re.escape(content) for content in sorted(contents, key=len, reverse=True)]
    return re.compile("|".join(alternatives) if alternatives else r"(?!)")
