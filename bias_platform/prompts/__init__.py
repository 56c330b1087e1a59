"""Personas x wordings x items x option orders: the questions of a study, their texts, and examples for tuning.

Not here: reading posts (`corpora`), tokens and chat templates (`models`), asking and parsing (`inference`). Texts are
put together only when asked for; tables carry ids.
"""

from bias_platform.prompts.chat_lines import write_chat_lines
from bias_platform.prompts.examples import TrainingSet, persona_blind_examples, training_examples, training_set
from bias_platform.prompts.group_sets import group_test_set
from bias_platform.prompts.option_orders import balanced_orders
from bias_platform.prompts.personas import personas_table
from bias_platform.prompts.questions import build_questions
from bias_platform.prompts.rendering import Renderer
from bias_platform.prompts.sampling import draw_items

__all__ = [
    "Renderer",
    "TrainingSet",
    "balanced_orders",
    "build_questions",
    "draw_items",
    "group_test_set",
    "persona_blind_examples",
    "personas_table",
    "training_examples",
    "training_set",
    "write_chat_lines",
]
