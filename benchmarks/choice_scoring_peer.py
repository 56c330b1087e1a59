"""The same questions through lm-evaluation-harness's `hf` model, as a yardstick. Optional:
`pip install lm_eval==0.4.13`, best into an environment of its own, beside this project's packages."""

import importlib.util
import logging
from importlib.metadata import version
from typing import Any

import numpy as np
from choice_scoring_workload import Loaded, Workload

from bias_platform.models.chat import render_prompts

INSTALL = "pip install lm_eval==0.4.13"
BATCH_SIZES = {"1.4M": 32, "85M": 16}
"""As fast as any of 4, 8, 16, 32 and 64 on one core, within a tenth."""


def peer_version() -> str | None:
    """The installed version; None: it is not there."""
    return version("lm_eval") if importlib.util.find_spec("lm_eval") else None


class Peer:
    """A loaded model in lm-evaluation-harness.

    Args:
        loaded: model and tokenizer.
        batch_size: sequences in a pass.
    """

    def __init__(self, loaded: Loaded, batch_size: int) -> None:
        from lm_eval.models.huggingface import HFLM

        logging.getLogger("lm_eval").setLevel(logging.ERROR)
        self._tokenizer = loaded.tokenizer
        self._model = HFLM(
            pretrained=loaded.model, tokenizer=loaded.tokenizer, batch_size=batch_size, max_length=1024, device="cpu"
        )

    def score(self, work: Workload) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Summed log-probabilities, prompts x options."""
        from lm_eval.api.instance import Instance

        texts = render_prompts(self._tokenizer, [[dict(m) for m in prompt.messages] for prompt in work.prompts])
        requests = [
            Instance(request_type="loglikelihood", doc={}, arguments=(text, option), idx=0)
            for text in texts
            for option in work.options
        ]
        answers = self._model.loglikelihood(requests, disable_tqdm=True)
        return np.array([value for value, _ in answers]).reshape(len(texts), len(work.options))
