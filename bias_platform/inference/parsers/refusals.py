"""Texts in which a model declines to answer, by language.

Precision comes before recall: a refusal that is not recognised is `invalid`, and neither is an answer. So a phrase
counts only near the beginning of the text, as a sentence of the model's own ("I'm sorry, but ..." and the like may come
before it, "She said: ..." may not), and only where it says that the model will not do what it was asked. Being sorry,
unsure or short of context is no refusal.
"""

import re

_NEAR_THE_BEGINNING = 400
"""Characters within which a refusal is looked for."""
_SENTENCE = r"(?:\A|[.!?\n])[\s*_(\u00a1]{0,4}"
_LEAD = {
    "en": r"((?:[^.!?\n\"]{0,120}?(?:[,;:\u2014]\s{0,4}(?:but\s+|so\s+)?|\b(?:but|sorry|so|afraid|that)\s+))?)",
    "es": r"((?:[^.!?\n\"]{0,120}?(?:[,;:\u2014]\s{0,4}(?:pero\s+)?|\b(?:pero|que)\s+))?)",
    "fa": r"((?:[^.!?\n\"]{0,120}?(?:[,;:\u2014]\s{0,4}(?:(?:اما|ولی)\s+)?|\b(?:اما|ولی|که|متاسفانه|متأسفانه)\s+))?)",
}
"""What may come before the phrase in its sentence."""
_REPORTED = re.compile(
    r"\b(?:said|says|told|tells|wrote|writes|quotes?|quoted|dijo|dice|escribió|escribe|گفت|گفته|نوشت|نوشته)\b"
    r"|\b(?:post|tweet|meme|message|mensaje|publicación|متن|توییت)\s*:"
)
"""Where it comes before the phrase, somebody else is speaking."""
_MACHINE = {
    "en": r"(?:an?\s+)?(?:ai|artificial\s+intelligence|(?:large\s+)?language\s+model|(?:virtual\s+|ai\s+)?assistant)\b",
    "es": r"(?:una?\s+)?(?:ia|inteligencia\s+artificial|modelo\s+de\s+lenguaje|asistente)\b",
    "fa": r"(?:یک\s+)?(?:مدل\s+زبانی?|هوش\s+مصنوعی|دستیار)",
}
_CANNOT = (
    r"(?:i\s+(?:really\s+|simply\s+)?(?:can't|cannot|can\s+not|won't|will\s+not)"
    r"|i(?:'m|\s+am)\s+(?:unable\s+to|not\s+(?:able|allowed|permitted|going|willing)\s+to|not\s+comfortable(?:\s+with)?))"
)
_ASKED = (
    r"(?:assist(?:ing)?\b|help(?:ing)?(?:\s+(?:you|with)\b|\s*(?:[.!]|\Z))|comply\b|participat(?:e|ing)\b"
    r"|engag(?:e|ing)\s+(?:in|with)\b|fulfil|provid(?:e|ing)\b|generat(?:e|ing)\b|produce\b|discuss(?:ing)?\b"
    r"|continue\s+with\b|respond\s+to\b|answer(?:ing)?\s+(?:this|that|your|the)\b|tak(?:e|ing)\s+(?:on|a|the|part)\b"
    r"|adopt(?:ing)?\b|assum(?:e|ing)\s+the\b|role-?\s?play|pretend|impersonat|act(?:ing)?\s+as\b|pos(?:e|ing)\s+as\b)"
)
_DECLINED = {
    "en": (
        rf"{_CANNOT}\s+{_ASKED}",
        rf"as\s+{_MACHINE['en']}[^.!?\n]{{0,60}},\s*i\s+"
        r"(?:can't|cannot|can\s+not|don't|do\s+not|am\s+(?:not|unable)|won't|will\s+not|have\s+no)\b",
        rf"i(?:'m|\s+am)\s+(?:just\s+|only\s+)?{_MACHINE['en']}[^.!?\n]{{0,40}}"
        r"(?:,|\band|\bso)\s+(?:so\s+|and\s+)?(?:i\s+)?(?:can't|cannot|can\s+not|don't|do\s+not|have\s+no)\b",
        r"i\s+(?:(?:do\s+not|don't)\s+(?:have|hold)(?:\s+any)?|have\s+no)\s+personal\s+"
        r"(?:opinion|belief|feeling|view|preference|experience)",
        r"i\s+(?:must|have\s+to|need\s+to)\s+(?:respectfully\s+|politely\s+)?(?:decline|refuse)\b",
        rf"i\s+(?:respectfully\s+|politely\s+)?(?:decline|refuse)\s+to\s+(?:answer|respond|{_ASKED})",
        r"i(?:'d|\s+would)\s+(?:prefer\s+not\s+to|rather\s+not)\s+(?:answer|say|respond|comment)\b",
        r"(?:this|that|the|your)\s+(?:request|content|prompt|question)\s+(?:violates|goes\s+against|is\s+against)\s+"
        r"(?:my|our|the)\s+(?:content\s+|usage\s+|safety\s+)?(?:guidelines|polic)",
    ),
    "es": (
        r"(?:no\s+(?:puedo|podr[ée]|estoy\s+(?:autorizad[oa]|programad[oa])\s+para)|me\s+niego\s+a)\s+"
        r"(?:ayudar|asistir|responder\s+a\b|contestar\s+a\b|cumplir|participar|proporcionar|generar|continuar\s+con"
        r"|adoptar|asumir|hacerme\s+pasar|opinar|emitir)",
        rf"como\s+{_MACHINE['es']}[^.!?\n]{{0,60}},\s*no\s+(?:puedo|tengo|debo|emito|soy)\b",
        r"no\s+tengo\s+opiniones\s+personales",
    ),
    "fa": (
        r"نمی\s?توا?نم\s+[^.!?\n]{0,60}(?:کمک|پاسخ|جواب|همکاری|انجام\s+دهم|اظهار\s?نظر)",
        rf"(?:من\s+)?(?:به\s?عنوان\s+)?{_MACHINE['fa']}[^.!?\n]{{0,80}}(?:نمی\s?توا?نم|ندارم)",
    ),
}
"""Language -> patterns, of folded text, of a phrase that declines."""
_PATTERNS = {
    language: re.compile(_SENTENCE + _LEAD[language] + "(?:" + "|".join(patterns) + ")")
    for language, patterns in _DECLINED.items()
}


def declining_language(folded: str) -> str | None:
    """The language in which a folded text declines to answer (ISO 639-1: en, es, fa); None where it does not.

    >>> declining_language("i'm sorry, but i can't assist with that.")
    'en'
    """
    beginning = folded[:_NEAR_THE_BEGINNING].lstrip()
    for language, pattern in _PATTERNS.items():
        if any(not _REPORTED.search(match[1]) for match in pattern.finditer(beginning)):
            return language
    return None
