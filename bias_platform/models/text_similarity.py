"""How alike two texts are: character n-grams, matched contextual embeddings, or a regression trained on human ratings.

Each scorer compares a candidate with a reference and gives one number a pair; scores of different scorers are never
pooled. Weights load from safetensors, locally or from the hub, like any model's.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
import transformers

from bias_platform.catalog.agreement_settings import SimilaritySettings
from bias_platform.errors import ModelLoadError
from bias_platform.models.hub import fetch
from bias_platform.models.loading import default_device

FloatArray = npt.NDArray[np.float64]
BATCH = 64
"""Texts of one forward pass, of like length."""
BLEURT_TOKENS = 512
"""What BLEURT-20 was trained with; longer pairs are cut."""


class TextScorer(Protocol):
    """Compares texts."""

    def __call__(self, references: Sequence[str], candidates: Sequence[str]) -> FloatArray:
        """One score for each pair, higher for more alike.

        Args:
            references: texts.
            candidates: as many; compared with the reference at the same place.
        """


def text_scorer(name: str, settings: SimilaritySettings) -> TextScorer:
    """The scorer of this name.

    Args:
        name: `chrf`, `bertscore` or `bleurt`.
        settings: which weights the last two use.

    Raises:
        ModelLoadError: the weights are missing, or are not such a model.
    """
    if name == "chrf":
        return each_pair_once(chrf)
    if name == "bertscore":
        return each_pair_once(BertScorer(_folder(settings.bertscore_model), settings.bertscore_layer))
    return each_pair_once(BleurtScorer(_folder(settings.bleurt_checkpoint)))


def each_pair_once(score: TextScorer) -> TextScorer:
    """Compares equal pairs once: personas often write the same sentence."""

    def scored(references: Sequence[str], candidates: Sequence[str]) -> FloatArray:
        pairs = list(zip(references, candidates, strict=True))
        places = {pair: place for place, pair in enumerate(dict.fromkeys(pairs))}
        distinct = list(places)
        if not distinct:
            return np.zeros(0)
        scores = score([pair[0] for pair in distinct], [pair[1] for pair in distinct])
        return scores[[places[pair] for pair in pairs]]

    return scored


def chrf(references: Sequence[str], candidates: Sequence[str]) -> FloatArray:
    """chrF of sacrebleu: F2 over character n-grams up to 6 (Popović, 2015), from 0 to 1."""
    from sacrebleu.metrics.chrf import CHRF

    metric = CHRF()
    scores = [metric.sentence_score(text, [other]).score for other, text in zip(references, candidates, strict=True)]
    return np.array(scores) / 100


class _Embedded(NamedTuple):
    """A text's tokens."""

    vectors: torch.Tensor
    """(tokens, width), rows of length 1"""
    words: torch.Tensor
    """(tokens,): False for those that only mark beginning and end"""


class BertScorer:
    """BERTScore F1 (Zhang et al., 2020): tokens matched greedily by the cosine of their contextual embeddings.

    As in the authors' package, tokens that only mark beginning and end may be matched with, but are not averaged over.
    No inverse document frequencies, no rescaling by a baseline: values are comparable only within one encoder and
    layer. From -1 to 1, in practice high.

    Args:
        folder: an encoder with its tokenizer.
        layer: whose hidden states are compared; None: the last.

    Raises:
        ModelLoadError: it cannot be loaded, or has no such layer.
    """

    def __init__(self, folder: Path, layer: int | None) -> None:
        self._model, self._tokenizer = _loaded(folder, transformers.AutoModel)
        layers = int(self._model.config.num_hidden_layers)
        if layer is not None and layer > layers:
            raise ModelLoadError(
                f"bertscore_layer {layer}: the model in {folder} has {layers} layers; take one of them"
            )
        self._layer = layers if layer is None else layer

    def __call__(self, references: Sequence[str], candidates: Sequence[str]) -> FloatArray:
        """See `TextScorer`."""
        known = dict.fromkeys([*references, *candidates])
        vectors = dict(zip(known, self._embedded(list(known)), strict=True))
        pairs = zip(references, candidates, strict=True)
        return np.array([_matched(vectors[reference], vectors[candidate]) for reference, candidate in pairs])

    def _embedded(self, texts: list[str]) -> list[_Embedded]:
        found = [_Embedded(torch.empty(0), torch.empty(0))] * len(texts)
        for rows, encoded in _batches(self._tokenizer, texts, None):
            special = encoded.pop("special_tokens_mask").bool()
            real = encoded["attention_mask"].bool()
            with torch.inference_mode():
                states = self._model(**encoded.to(self._model.device), output_hidden_states=True).hidden_states
            vectors = torch.nn.functional.normalize(states[self._layer].float(), dim=-1).cpu()
            for row, vector, there, marks in zip(rows, vectors, real, special, strict=True):
                found[row] = _Embedded(vector[there], ~marks[there])
        return found


class BleurtScorer:
    """BLEURT (Sellam et al., 2020; BLEURT-20: Pu et al., 2021): an encoder with one output, trained on human ratings.

    Args:
        folder: a sequence classification model with one output, such as BLEURT-20 as RemBertForSequenceClassification,
            in safetensors, with its tokenizer.

    Raises:
        ModelLoadError: it cannot be loaded, or has more than one output.
    """

    def __init__(self, folder: Path) -> None:
        self._model, self._tokenizer = _loaded(folder, transformers.AutoModelForSequenceClassification)
        if self._model.config.num_labels != 1:
            raise ModelLoadError(
                f"the model in {folder} has {self._model.config.num_labels} outputs, a BLEURT checkpoint has 1; name "
                "such a checkpoint under `bleurt_checkpoint`"
            )

    def __call__(self, references: Sequence[str], candidates: Sequence[str]) -> FloatArray:
        """See `TextScorer`."""
        scores = np.zeros(len(references))
        for rows, encoded in _batches(self._tokenizer, references, candidates):
            with torch.inference_mode():
                logits = self._model(**encoded.to(self._model.device)).logits
            scores[rows] = logits[:, 0].float().cpu().numpy()
        return scores


def _matched(reference: _Embedded, candidate: _Embedded) -> float:
    """F1 of precision (best match of each candidate token) and recall (of each reference token)."""
    if not reference.words.any() or not candidate.words.any():
        # two empty texts are alike, an empty one and another are not
        return float(reference.words.any() == candidate.words.any())
    cosines = candidate.vectors @ reference.vectors.T
    precision = cosines.amax(dim=1)[candidate.words].mean()
    recall = cosines.amax(dim=0)[reference.words].mean()
    return float(2 * precision * recall / (precision + recall))


def _batches(tokenizer: Any, texts: Sequence[str], seconds: Sequence[str] | None) -> Any:
    """Yields (rows, encoded batch), texts of like length together."""
    longest = [len(text) + len(seconds[row] if seconds else "") for row, text in enumerate(texts)]
    order = np.argsort(longest, kind="stable")
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        pair = None if seconds is None else [seconds[row] for row in rows]
        encode: Callable[..., Any] = tokenizer
        yield (
            rows,
            encode(
                [texts[row] for row in rows],
                pair,
                padding=True,
                truncation=True,
                max_length=BLEURT_TOKENS,
                return_tensors="pt",
                return_special_tokens_mask=seconds is None,
            ),
        )


def _folder(location: str | None) -> Path:
    assert location is not None  # the catalog requires it
    path = Path(location).expanduser()
    return path if path.is_dir() else fetch(location, None)


def _loaded(folder: Path, family: Any) -> tuple[Any, Any]:
    options = {"local_files_only": True, "trust_remote_code": False}
    try:
        model = family.from_pretrained(folder, use_safetensors=True, **options)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **options)
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ModelLoadError(f"the similarity model in {folder} cannot be loaded: {reason}") from error
    device = default_device()
    return model.eval().requires_grad_(False).to("cuda" if device == "auto" else device), tokenizer
