"""One module a source: a raw file becomes two tidy tables, the posts (`Items`) and what people said (`Annotations`).

Here too: downloads of what may be had without asking, the policies by which judgements become labels, and the
generators of the sample corpora. Not here: where results are stored (`storage`), how posts are put to a model
(`prompts`), what the labels mean for a study (`analysis`). Nothing here knows Dagster or a model.
"""

from bias_platform.corpora.assembly import CorpusTables
from bias_platform.corpora.human_labels import human_yes_share, majority_label, modal_label
from bias_platform.corpora.label_policies import policy_facts, policy_labels
from bias_platform.corpora.reading import read_corpus, source_hash
from bias_platform.corpora.sample_planted import PLANTED, planted_contrasts

__all__ = [
    "PLANTED",
    "CorpusTables",
    "human_yes_share",
    "majority_label",
    "modal_label",
    "planted_contrasts",
    "policy_facts",
    "policy_labels",
    "read_corpus",
    "source_hash",
]
