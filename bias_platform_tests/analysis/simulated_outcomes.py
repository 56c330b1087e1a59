"""Answers and scores drawn from known coefficients, and the truth that an analysis of them should find."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr
from scipy.stats import norm

FloatArray = NDArray[np.float64]
SIZES = {"gender": 5, "orientation": 3, "intersection": 6, "politics": 6, "race": 7}
SHIFT = 0.3
"""How far the first order of the options is from the last, on the scale of the answers."""


@dataclass(frozen=True)
class Design:
    """Sizes and coefficients of a simulated study; deviations are on the logit scale, or that of margins."""

    items: int = 40
    templates: int = 3
    orders: int = 1
    systems: tuple[str, ...] = ("small", "small+tuned")
    sizes: Mapping[str, int] = field(default_factory=lambda: dict(SIZES))
    intercepts: tuple[float, ...] = (0.3, 0.0)
    persona_sd: float = 0.4
    """Of the personas' true effects, drawn once a study and system; 0: no persona differs."""
    system_persona_sd: float = 0.25
    far_out: float = 0.0
    """Added to the first persona of every dimension."""
    item_sd: float = 1.3
    item_system_sd: float = 0.5
    item_persona_sd: float = 0.3
    item_persona_system_sd: float = 0.0
    wording_sd: float = 0.15
    wording_system_sd: float = 0.1
    maybe: float = 0.0
    """Share of the not-Yes answers that are Maybe."""
    lost: float = 0.0
    """Share of the questions without a judgement."""
    lost_by_item: bool = False
    """Whether items that are more often Yes lose more of them."""
    bimodal: bool = False
    """Items are Yes (40 %) or No for everybody, 3 % of the answers flipped; each persona turns a share of the No items
    to Yes, drawn from 0 to 10 % by system. The deviations and intercepts above are then not used."""
    scales: tuple[float, ...] = ()
    """Where given, answers are scored: margins have the deviations above times the scale of their system, and a normal
    residual besides; an answer is Yes where its margin is above zero."""
    residual_sd: float = 0.3
    """Of margins."""


@dataclass(frozen=True)
class Truth:
    """True values (systems, personas), control first: at the drawn wordings, and over all wordings; NaN: undefined."""

    these: FloatArray
    """Probabilities."""
    beyond: FloatArray
    these_log_odds: FloatArray
    """For the item in the middle."""
    beyond_log_odds: FloatArray
    these_margins: FloatArray
    beyond_margins: FloatArray


@dataclass(frozen=True)
class Drawn:
    """Outcomes (items, systems, personas, wordings, orders)."""

    yes: NDArray[np.bool_]
    margins: FloatArray | None
    loss: FloatArray
    """(items,): how much more often than others an item's questions are lost."""
    truth: Truth


def draw(design: Design, rng: np.random.Generator, personas: int) -> Drawn:
    """Draws model A, or margins of the same form, or items that are nearly decided."""
    effects = _effects(design, rng, personas)
    wording = design.wording_sd * rng.standard_normal((personas, design.templates))
    shape = (len(design.systems), personas, design.templates)
    wordings = wording + design.wording_system_sd * rng.standard_normal(shape)
    template = np.linspace(-0.2, 0.2, design.templates) if design.templates > 1 else np.zeros(1)
    fixed = np.array(design.intercepts[: shape[0]])[:, None] + effects
    typical = (fixed[:, :, None] + template)[..., None] + _order_effects(design)
    cells = typical + wordings[..., None]
    if design.bimodal:
        return _bimodal(design, rng, personas)
    items, common = _item_effects(design, rng, personas)
    eta = cells[None] + items[..., None]
    loss = np.exp(common / max(common.std(), 1e-9)) if design.lost_by_item else np.ones(design.items)
    if design.scales:
        return _scored(design, rng, eta, (cells, typical), loss)
    yes = rng.random(eta.shape) < expit(eta)
    return Drawn(yes, None, loss, _logistic_truth(design, cells, typical))


def _effects(design: Design, rng: np.random.Generator, personas: int) -> FloatArray:
    """(systems, personas)."""
    systems = len(design.systems)
    effect = design.persona_sd * rng.standard_normal(personas)
    effects = effect + design.system_persona_sd * rng.standard_normal((systems, personas))
    if design.persona_sd == 0:
        effects[:] = 0.0
    first = 1 + np.cumsum([0, *design.sizes.values()])[:-1]
    effects[:, first] += design.far_out
    moved: FloatArray = effects
    return moved


def _order_effects(design: Design) -> FloatArray:
    return np.linspace(-SHIFT / 2, SHIFT / 2, design.orders) if design.orders > 1 else np.zeros(1)


def _item_effects(design: Design, rng: np.random.Generator, personas: int) -> tuple[FloatArray, FloatArray]:
    """(items, systems, personas, 1), and the part of it that all share (items,)."""
    systems = len(design.systems)
    item = design.item_sd * rng.standard_normal((design.items, 1, 1, 1))
    by_system = design.item_system_sd * rng.standard_normal((design.items, systems, 1, 1))
    by_persona = design.item_persona_sd * rng.standard_normal((design.items, 1, personas, 1))
    whole = item + by_system + by_persona
    if design.item_persona_system_sd:  # no draw without it: studies of the other designs stay what they were
        whole = whole + design.item_persona_system_sd * rng.standard_normal((design.items, systems, personas, 1))
    return whole, item.ravel()


def _over_items(design: Design) -> float:
    parts = (design.item_sd, design.item_system_sd, design.item_persona_sd, design.item_persona_system_sd)
    return float(np.sqrt(sum(sd**2 for sd in parts)))


def _over_all(design: Design) -> float:
    return float(np.sqrt(_over_items(design) ** 2 + design.wording_sd**2 + design.wording_system_sd**2))


def _logistic_truth(design: Design, cells: FloatArray, typical: FloatArray) -> Truth:
    """From the log-odds (systems, personas, wordings, orders) at the drawn wordings, and of wordings without effect."""
    unknown = np.full(cells.shape[:2], np.nan)
    return Truth(
        these=integrated(cells, _over_items(design)).mean(axis=(2, 3)),
        beyond=integrated(typical, _over_all(design)).mean(axis=(2, 3)),
        these_log_odds=cells.mean(axis=(2, 3)),
        beyond_log_odds=typical.mean(axis=(2, 3)),
        these_margins=unknown,
        beyond_margins=unknown,
    )


def _scored(
    design: Design, rng: np.random.Generator, eta: FloatArray, means: tuple[FloatArray, FloatArray], loss: FloatArray
) -> Drawn:
    """Margins of systems that are sure of their answers to different degrees."""
    cells, typical = means
    scale = np.array(design.scales)[:, None]
    margins = scale[None, :, :, None, None] * (eta + design.residual_sd * rng.standard_normal(eta.shape))
    unknown = np.full(cells.shape[:2], np.nan)
    truth = Truth(
        these=ndtr(cells / np.hypot(_over_items(design), design.residual_sd)).mean(axis=(2, 3)),
        beyond=ndtr(typical / np.hypot(_over_all(design), design.residual_sd)).mean(axis=(2, 3)),
        these_log_odds=unknown,
        beyond_log_odds=unknown,
        these_margins=scale * cells.mean(axis=(2, 3)),
        beyond_margins=scale * typical.mean(axis=(2, 3)),
    )
    return Drawn(margins > 0, margins, loss, truth)


def _bimodal(design: Design, rng: np.random.Generator, personas: int) -> Drawn:
    systems, base, flip = len(design.systems), 0.4, 0.03
    lift = rng.uniform(0.0, 0.1, (systems, personas))
    said = rng.random((design.items, 1, 1)) < base
    said = said | (rng.random((design.items, systems, personas)) < lift)
    yes = said[..., None, None] ^ (rng.random((*said.shape, design.templates, design.orders)) < flip)
    rate = base + (1.0 - base) * lift
    truth = rate * (1.0 - flip) + (1.0 - rate) * flip
    unknown = np.full_like(truth, np.nan)
    return Drawn(yes, None, np.ones(design.items), Truth(truth, truth, unknown, unknown, unknown, unknown))


def integrated(eta: FloatArray, sd: float) -> FloatArray:
    """Mean of the inverse logit of eta + sd * normal, by a fine grid that shares nothing with the package."""
    at = sd * norm.ppf((np.arange(2001) + 0.5) / 2001)
    return np.stack([expit(part[..., None] + at).mean(axis=-1) for part in eta])
