"""Texts are compared as the scorers' authors compare them."""

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from bias_platform.catalog.agreement_settings import SimilaritySettings
from bias_platform.errors import ModelLoadError
from bias_platform.models.text_similarity import BertScorer, BleurtScorer, chrf, each_pair_once, text_scorer

WORDS = "the meme mocks praises group slow kind people who cannot count as circles triangles they are . a b c"
REFERENCES = ["the meme mocks the circles .", "triangles are slow people who cannot count", "a b", "", ""]
CANDIDATES = ["the meme praises the circles", "kind people who count .", "c c a b .", "a", ""]
OF_THE_PACKAGE = [0.9281803, 0.9392311, 0.8724971]
"""F1 of bert-score 0.3.13 for the first three pairs with this encoder, second layer, no idf."""


def encoder(folder: Path, family: type, configuration: transformers.PretrainedConfig) -> Path:
    """A small encoder whose weights come from numpy, which never changes its streams."""
    model = family(configuration).eval()
    random = np.random.RandomState(7)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if "LayerNorm" not in name:
                parameter.copy_(torch.from_numpy(0.3 * random.standard_normal(tuple(parameter.shape))))
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def tokenizer() -> transformers.PreTrainedTokenizerFast:
    vocabulary = {word: place for place, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS.split()])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )


def small(**more: int) -> dict[str, int]:
    return {
        "vocab_size": 4 + len(WORDS.split()),
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        **more,
    }


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bert")
    return encoder(folder, transformers.BertModel, transformers.BertConfig(**small()))


@pytest.fixture(scope="module")
def remembert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What BLEURT-20 is, small."""
    configuration = transformers.RemBertConfig(
        **small(input_embedding_size=16, output_embedding_size=16), num_labels=1, bos_token_id=2, eos_token_id=3
    )
    folder = tmp_path_factory.mktemp("rembert")
    return encoder(folder, transformers.RemBertForSequenceClassification, configuration)


def test_bertscore_is_that_of_its_authors(bert: Path) -> None:
    scores = BertScorer(bert, 2)(REFERENCES, CANDIDATES)
    np.testing.assert_allclose(scores[:3], OF_THE_PACKAGE, atol=2e-6)
    assert scores[3:].tolist() == [0, 1]


def test_bertscore_of_a_text_with_itself_is_one(bert: Path) -> None:
    np.testing.assert_allclose(BertScorer(bert, None)(REFERENCES[:3], REFERENCES[:3]), 1, atol=1e-6)


def test_a_layer_that_is_not_there(bert: Path) -> None:
    with pytest.raises(ModelLoadError, match="has 3 layers"):
        BertScorer(bert, 4)


def test_bleurt_is_the_one_output_of_the_pair(remembert: Path) -> None:
    model = transformers.AutoModelForSequenceClassification.from_pretrained(remembert).eval()
    scores = BleurtScorer(remembert)(REFERENCES, CANDIDATES)
    for reference, candidate, score in zip(REFERENCES, CANDIDATES, scores, strict=True):
        encoded = tokenizer()([reference], [candidate], return_tensors="pt")
        with torch.inference_mode():
            alone = float(model(**encoded).logits)
        assert score == pytest.approx(alone, abs=1e-5)
    assert np.ptp(scores) > 0.01


def test_another_classifier_is_no_bleurt(tmp_path: Path) -> None:
    folder = encoder(
        tmp_path, transformers.BertForSequenceClassification, transformers.BertConfig(**small(), num_labels=2)
    )
    with pytest.raises(ModelLoadError, match="has 2 outputs"):
        BleurtScorer(folder)


def test_a_folder_without_weights(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="cannot be loaded"):
        text_scorer("bertscore", SimilaritySettings(scorers=("bertscore",), bertscore_model=str(tmp_path)))


def test_chrf_counts_character_grams() -> None:
    """Of "ab" in "abc" (as candidate): unigrams P 2/3, R 1; bigrams P 1/2, R 1; F2 of the means over two orders."""
    precision, recall = (2 / 3 + 1 / 2) / 2, 1.0
    expected = 5 * precision * recall / (4 * precision + recall)
    same, part = chrf(["ab", "ab"], ["ab", "abc"])
    assert same == pytest.approx(1)
    assert part == pytest.approx(expected, abs=0.02)


def test_equal_pairs_are_compared_once() -> None:
    asked: list[tuple[str, str]] = []

    def counting(references: list[str], candidates: list[str]) -> np.ndarray:
        asked.extend(zip(references, candidates, strict=True))
        return np.arange(len(references), dtype=float)

    scores = each_pair_once(counting)(["a", "b", "a"], ["x", "x", "x"])
    assert asked == [("a", "x"), ("b", "x")]
    assert scores.tolist() == [0, 1, 0]
    assert each_pair_once(counting)([], []).tolist() == []
