"""What must hold within one entry beyond the types of its fields, e.g. that a template names {persona} once."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise

from bias_platform.catalog.corpus_rules import corpus_problems
from bias_platform.catalog.entries import (
    Catalog,
    ModelEntry,
    StudyEntry,
    TaskEntry,
    TemplateSetEntry,
    VisionRecipe,
)
from bias_platform.catalog.noise_rules import noise_problems
from bias_platform.catalog.persona_rules import persona_set_problems, seen_before
from bias_platform.catalog.power_settings import PowerSettings
from bias_platform.catalog.problems import Field, Problem, allowed, unknown
from bias_platform.catalog.training_rules import adapter_problems

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


def rule_problems(catalog: Catalog) -> Iterator[Problem]:
    """Every broken rule of every entry."""
    for slug, corpus in catalog.corpora.items():
        yield from corpus_problems(corpus, ("corpora", slug))
    for slug, persona_set in catalog.persona_sets.items():
        yield from persona_set_problems(persona_set, ("persona_sets", slug))
    for slug, template_set in catalog.template_sets.items():
        yield from _template_set(template_set, ("template_sets", slug, "templates"))
    for slug, task in catalog.tasks.items():
        yield from _task(task, ("tasks", slug))
    for slug, model in catalog.models.items():
        yield from _model(model, ("models", slug))
    for slug, adapter in catalog.adapters.items():
        yield from adapter_problems(adapter, ("adapters", slug))
    for slug, study in catalog.studies.items():
        yield from _study(study, ("studies", slug))


def _template_set(template_set: TemplateSetEntry, place: Field) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for template_id, text in template_set.templates.items():
        where = (*place, template_id)
        yield from _placeholders(text, where, once=("persona",), at_most_once=())
        yield from seen_before(seen, text, where, "the wording")


def _placeholders(text: str, where: Field, once: tuple[str, ...], at_most_once: tuple[str, ...]) -> Iterator[Problem]:
    counts = Counter(_PLACEHOLDER.findall(text))
    known = [f"{{{name}}}" for name in (*once, *at_most_once)]
    for name in once:
        if counts[name] != 1:
            times = "is missing" if counts[name] == 0 else f"stands {counts[name]} times"
            yield Problem(where, f"{{{name}}} {times}; it must stand exactly once")
    for name in at_most_once:
        if counts[name] > 1:
            yield Problem(where, f"{{{name}}} stands {counts[name]} times; it may stand once")
    for name in counts:
        if f"{{{name}}}" not in known:
            yield unknown(where, f"{{{name}}}", "placeholder", known)


def _task(task: TaskEntry, place: Field) -> Iterator[Problem]:
    yield from _question(task, (*place, "question"))
    yield from _answer_shape(task, place)
    values = task.option_values
    for index, value in enumerate(values):
        if not value.strip() or value != value.strip():
            yield Problem((*place, "options", index, "value"), f"'{value}' is empty or has spaces around it; trim it")
        if value in values[:index]:
            yield Problem((*place, "options", index, "value"), f"'{value}' is an option already; keep one")
    for name in ("positive", "positive_lenient", "set_aside"):
        for index, value in enumerate(getattr(task, name)):
            if value not in values:
                yield unknown((*place, name, index), value, "option", values)
    yield from _outcome_rules(task, place)


def _question(task: TaskEntry, where: Field) -> Iterator[Problem]:
    if task.shown == "picture" and "{content}" in task.question:
        message = "{content} stands for an item's text, and this task shows its picture only; remove it"
        yield Problem(where, f"{message}, or set `shown` to picture-and-text")
    elif task.shown == "picture":
        yield from _placeholders(task.question, where, once=(), at_most_once=("options",))
    else:
        yield from _placeholders(task.question, where, once=("content",), at_most_once=("options",))


def _answer_shape(task: TaskEntry, place: Field) -> Iterator[Problem]:
    """What an answer looks like, and what the task says of it."""
    closed = task.answer in ("option", "option-list")
    if closed and len(task.options) < 2:
        yield Problem((*place, "options"), f"must name at least two for answers of kind '{task.answer}'")
    if task.answer == "option" and not task.positive:
        yield Problem((*place, "positive"), "must name at least one option that counts as yes")
    if task.answer == "sentence" and not task.patterns:
        yield Problem((*place, "patterns"), "must give at least one for answers of kind 'sentence'")
    if task.answer != "sentence" and task.patterns:
        yield Problem((*place, "patterns"), f"is not used by answers of kind '{task.answer}'; remove it")
    for index, pattern in enumerate(task.patterns):
        yield from _pattern(pattern, (*place, "patterns", index))
    if not closed and task.options:
        yield Problem((*place, "options"), f"is not used by answers of kind '{task.answer}'; remove it")
    spellings: dict[str, str] = {}
    for option in task.options:
        for word in dict.fromkeys(map(str.casefold, (option.value, *option.also))):
            if word in spellings:
                where = (*place, "options")
                yield Problem(where, f"'{word}' would be read as '{spellings[word]}' and as '{option.value}'; keep one")
            spellings.setdefault(word, option.value)


def _pattern(pattern: str, where: Field) -> Iterator[Problem]:
    """A sentence can be taken apart only where parts are named, apart from each other, and named once."""
    names = _PLACEHOLDER.findall(pattern)
    if re.search(r"[{}]", _PLACEHOLDER.sub("", pattern)):
        yield Problem(where, "has a brace that belongs to no part; write parts as {name}, small letters and _ only")
    elif not names:
        yield Problem(where, "names no part; write e.g. {group} where the model's own words go")
    for name in (name for name, times in Counter(names).items() if times > 1):
        yield Problem(where, f"{{{name}}} stands more than once; give each part a name of its own")
    if "}{" in pattern:
        yield Problem(where, "has two parts with nothing between them; put a word or a space there")


def _outcome_rules(task: TaskEntry, place: Field) -> Iterator[Problem]:
    lost = [value for value in task.positive if task.positive_lenient and value not in task.positive_lenient]
    if lost:
        yield Problem((*place, "positive_lenient"), f"must contain all of `positive`; add {', '.join(lost)}")
    both = [value for value in task.set_aside if value in (*task.positive, *task.positive_lenient)]
    if both:
        yield Problem((*place, "set_aside"), f"{', '.join(both)} cannot be both a yes and no judgement; remove it here")
    for name in ("positive", "positive_lenient"):
        if task.options and set(task.option_values) <= {*getattr(task, name), *task.set_aside}:
            yield Problem((*place, name), "leaves no option that counts as no; take one out")


def _model(model: ModelEntry, place: Field) -> Iterator[Problem]:
    needed = {"reference": "recipe", "hub": "hub_id", "api": "api_name"}[model.kind]
    if getattr(model, needed) is None:
        yield Problem((*place, needed), f"is required by a model of kind '{model.kind}'")
    if model.recipe is None:
        return
    if model.kind != "reference":
        message = f"only a reference model has one, this is of kind '{model.kind}'; remove it"
        yield Problem((*place, "recipe"), message)
    if model.recipe.hidden_size % (2 * model.recipe.heads):
        message = f"{model.recipe.hidden_size} must be a multiple of twice the heads ({model.recipe.heads})"
        yield Problem((*place, "recipe", "hidden_size"), message)
    if model.recipe.vision is None:
        if model.kind == "reference" and model.modality == "image-text":
            message = "image-text needs a reference model that sees; give its recipe a `vision`"
            yield Problem((*place, "modality"), f"{message}, or say text")
        return
    if model.modality != "image-text":
        yield Problem((*place, "modality"), "must be image-text, because the recipe has a `vision`; set it")
    yield from _vision(model.recipe.vision, (*place, "recipe", "vision"))


def _vision(vision: VisionRecipe, place: Field) -> Iterator[Problem]:
    if vision.image_size % vision.patch_size:
        message = f"{vision.patch_size} must divide image_size ({vision.image_size})"
        yield Problem((*place, "patch_size"), f"{message}: a picture is cut into whole patches")
    if vision.hidden_size % vision.heads:
        yield Problem((*place, "hidden_size"), f"{vision.hidden_size} must be a multiple of the heads ({vision.heads})")


def _study(study: StudyEntry, place: Field) -> Iterator[Problem]:
    yield from _repeated(study.systems, (*place, "systems"))
    yield from _repeated(study.dimensions, (*place, "dimensions"))
    for index, change in enumerate(study.analysis.changes):
        where = (*place, "analysis", "changes", index)
        if change.from_ == change.to:
            yield Problem(where, f"compares '{change.to}' with itself; name two systems")
        for side, system in (("from", change.from_), ("to", change.to)):
            if system not in study.systems:
                message = f"'{system}' is not among the study's systems; {allowed(study.systems, system)}"
                yield Problem((*where, side), message)
    titles: dict[str, str] = {}
    for slug, family in study.analysis.families.items():
        here = (*place, "analysis", "families", slug)
        if family.title in titles:
            yield Problem((*here, "title"), f"is the title of family '{titles[family.title]}' too; name one otherwise")
        titles.setdefault(family.title, slug)
        for name in ("systems", "dimensions", "personas"):
            yield from _repeated(getattr(family, name), (*here, name))
        where = (*here, "systems")
        for index, system in enumerate(family.systems):
            if system not in study.systems:
                message = f"'{system}' is not among the study's systems; {allowed(study.systems, system)}"
                yield Problem((*where, index), message)
    yield from _engine(study, place)
    yield from _power(study.power, (*place, "power"))
    if study.noise_floor is not None:
        yield from noise_problems(study, study.noise_floor, (*place, "noise_floor"))


def _engine(study: StudyEntry, place: Field) -> Iterator[Problem]:
    engine, where = study.engine, (*place, "engine")
    sampled = engine.ask == "generate" and engine.decoding.temperature > 0
    if study.replicates > 1 and not sampled:
        message = "asks the same again, and without sampling the answer is the same"
        yield Problem(
            (*place, "replicates"),
            f"{message}; set engine.ask: generate and engine.decoding.temperature, or leave it 1",
        )
    if engine.name == "openai" and engine.ask == "score" and engine.scoring != "first-token":
        message = f"'{engine.scoring}' needs the log-probabilities of given tokens, which an endpoint does not tell"
        yield Problem((*where, "scoring"), f"{message}; use first-token, or engine.ask: generate")
    if engine.structured and (engine.name == "transformers" or engine.ask == "score"):
        message = "works with the engines vllm and openai when they generate"
        yield Problem((*where, "structured"), f"{message}; remove it")


def _power(power: PowerSettings, place: Field) -> Iterator[Problem]:
    room = 1 - power.base_rate
    if any(after <= before for before, after in pairwise(power.gaps)):
        yield Problem((*place, "gaps"), f"must rise, but is {list(power.gaps)}; sort it")
    if min(power.gaps) < 0 or max(power.gaps) >= room:
        message = f"must lie from 0 to below {room:g}, which is what a base_rate of {power.base_rate:g} leaves"
        hint = "drop the others, or look at personas that say Yes less often: 1 - base_rate"
        yield Problem((*place, "gaps"), f"{message}; {hint}")
    for index, count in enumerate(power.items):
        if count < 2:
            yield Problem((*place, "items", index), f"{count} is too few to compare personas; at least 2")


def _repeated(values: Iterable[str], place: Field) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, value in enumerate(values):
        if value in seen:
            yield Problem((*place, index), f"'{value}' is named twice; keep one")
        seen.add(value)
