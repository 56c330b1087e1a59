"""What an entry declares, for fingerprints: a field that is added to the catalog later counts only once it is used.

A fingerprint over all fields would change with every field the platform gains, and all models made before would count
as out of date. Fields that were there from the beginning always enter, at their default, too; others enter only where
they differ from it. Who changes what a default means must therefore raise the code version of the room it concerns.
"""

from collections.abc import Mapping
from typing import Any

from bias_platform.catalog.entry import Entry

_FROM_THE_BEGINNING: dict[str, frozenset[str]] = {
    entry: frozenset(fields.split())
    for entry, fields in {
        "AdapterEntry": "method training rank alpha dropout target_modules learning_rate epochs batch_tokens context "
        "warm_up max_examples seed",
        "ColumnMapping": "text id label label_counts target_group annotator annotator_attributes split",
        "CorpusEntry": "reader path format columns label_values decode_html parameters language licence source "
        "sensitivity text_may_leave_machine",
        "ModelEntry": "kind hub_id api_name endpoint price revision modality parameters dtype served_as licence gated "
        "recipe",
        "OptionEntry": "value gloss also",
        "PersonaEntry": "id phrase label attributes",
        "QuantizationEntry": "method double_quantization adapter",
        "ReferenceRecipe": "corpus task persona_set template_set hidden_size layers heads feed_forward_size "
        "vocabulary_size examples steps batch_size learning_rate seed",
        "TaskEntry": "version question answer options patterns positive positive_lenient set_aside",
        "TemplateSetEntry": "templates",
        "TrainingData": "corpus split task persona_set template_set personas dimensions composite_pattern "
        "composite_values permute_attributes seed",
    }.items()
}


def declared(entry: Entry, without: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The fields of an entry in JSON types, the entries inside it likewise.

    Args:
        entry: any catalog entry; without: names of fields to leave out.
    """
    dumped = entry.model_dump(mode="json")
    always = _FROM_THE_BEGINNING.get(type(entry).__name__, frozenset())
    return {
        name: _plain(getattr(entry, name), dumped[name])
        for name, field in type(entry).model_fields.items()
        if name not in without
        and (name in always or getattr(entry, name) != field.get_default(call_default_factory=True))
    }


def _plain(value: Any, dumped: Any) -> Any:
    if isinstance(value, Entry):
        return declared(value)
    if isinstance(value, Mapping):
        return {key: _plain(inner, dumped[key]) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, one) for inner, one in zip(value, dumped, strict=True)]
    return dumped
