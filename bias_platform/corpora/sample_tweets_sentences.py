"""The grammar of the sample tweets: mild Spanish sentences of four kinds, with the severity their words add up to.

Few English ones stand beside them, so that a choice of language has something to choose from.
"""

from typing import NamedTuple

import numpy as np

Weighted = tuple[str, float]


class Tweet(NamedTuple):
    """A tweet and what is true of it."""

    text: str
    kind: str
    severity: float
    """logits, before item noise"""


SPANISH: dict[str, tuple[Weighted, ...]] = {
    "housework": (
        ("cocinar es cosa de mujeres", 1.6),
        ("que planche ella, que lo hace mejor", 1.3),
        ("en esta casa ellas friegan y ellos miran la tele", 0.6),
        ("la cena la hace siempre mi hermana y nadie pregunta por qué", -0.2),
        ("hoy ha cocinado mi padre y estaba buenísimo", -2.6),
        ("nos repartimos la limpieza entre todos", -3.0),
    ),
    "office": (
        ("una jefa nunca manda como un jefe", 1.5),
        ("para ser mujer negocia muy bien", 1.2),
        ("el café de la reunión lo piden siempre a la chica nueva", 0.4),
        ("a la secretaria le dicen que sonría más", 0.1),
        ("han ascendido a mi compañera y se lo merece", -2.8),
        ("la reunión del lunes es a las nueve", -3.2),
    ),
    "cars": (
        ("las chicas no saben aparcar", 1.6),
        ("con tanto frenazo, seguro que conduce una mujer", 1.4),
        ("le explican el motor a mi prima, que es mecánica", 0.2),
        ("el taller pregunta siempre por el marido", 0.4),
        ("mi vecina arregla coches mejor que nadie", -2.7),
        ("el taller abre a las ocho", -3.1),
    ),
    "sport": (
        ("ese chico corre como una niña", 1.4),
        ("el fútbol de chicas no interesa a nadie", 1.3),
        ("ellas ganan la liga y la tele pone otro partido", 0.0),
        ("a la campeona le preguntan por la ropa", 0.3),
        ("qué partidazo del equipo femenino", -2.8),
        ("el árbitro llegó tarde otra vez", -3.2),
    ),
}
OPENINGS = (
    *(("",) * 3),
    "de verdad,",
    "otra vez:",
    "@user",
    "lo de siempre:",
    "hoy en el autobús:",
    "mi abuela lo decía:",
    "en mi barrio,",
    "visto ayer:",
)
ENDINGS: tuple[Weighted, ...] = (
    *((("", 0.0),) * 3),
    ("y punto", 0.4),
    ("y todo el mundo lo sabe", 0.5),
    ("pero sin mala idea", -0.5),
    ("en fin", 0.0),
    ("qué cosas", 0.0),
    ("como cada año", 0.0),
)

ENGLISH: dict[str, tuple[Weighted, ...]] = {
    "housework": (("we all share the cleaning", -3.0), ("cooking is for women", 1.6)),
    "office": (("she got promoted and earned it", -2.8), ("for a woman she bargains well", 1.2)),
    "cars": (("my neighbour fixes cars best", -2.7), ("girls cannot park", 1.6)),
    "sport": (("what a match of the women's team", -2.8), ("that boy runs like a girl", 1.4)),
}
ENGLISH_OPENINGS = ("", "once more:", "@user", "seen today:", "honestly,")


def draw_tweet(random: np.random.RandomState, language: str) -> Tweet:
    """Draws one tweet, `es` or `en`; kinds are equally frequent."""
    kinds = SPANISH if language == "es" else ENGLISH
    kind = list(kinds)[random.randint(len(kinds))]
    core, severity = kinds[kind][random.randint(len(kinds[kind]))]
    openings = OPENINGS if language == "es" else ENGLISH_OPENINGS
    opening = openings[random.randint(len(openings))]
    ending, more = ENDINGS[random.randint(len(ENDINGS))] if language == "es" else ("", 0.0)
    text = ", ".join(filter(None, (core, ending)))
    return Tweet(f"{opening} {text}".strip(), kind, severity + more)
