"""Languages by code and English name, and what in each of them ends in a stop without ending a sentence."""

from __future__ import annotations

_NAMES = """
af afrikaans, sq albanian, ar arabic, hy armenian, eu basque, bn bengali, bg bulgarian, ca catalan, zh chinese,
hr croatian, cs czech, da danish, nl dutch, en english, et estonian, fi finnish, fr french, de german, el greek,
gu gujarati, he hebrew, hi hindi, hu hungarian, is icelandic, id indonesian, ga irish, it italian, ja japanese,
kn kannada, ko korean, ky kyrgyz, lv latvian, lij ligurian, lt lithuanian, lb luxembourgish, mk macedonian,
ml malayalam, mr marathi, ne nepali, nb norwegian bokmål, fa persian, pl polish, pt portuguese, ro romanian,
ru russian, sa sanskrit, sr serbian, tn setswana, si sinhala, sk slovak, sl slovenian, es spanish, sv swedish,
tl tagalog, ta tamil, tt tatar, te telugu, th thai, tr turkish, uk ukrainian, ur urdu, vi vietnamese, yo yoruba,
xx multi-language
"""
LANGUAGES = {
    pair.split(" ", 1)[0]: pair.split(" ", 1)[1] for pair in _NAMES.replace("\n", " ").strip().split(", ")
}
"""Code -> name in English, lower case; xx stands for several languages."""

ORDINALS_WITH_A_STOP = frozenset("de da nb fi cs sk sl hr sr hu et lv is tr lb".split())

ABBREVIATIONS = {
    "en": frozenset(
        "mr mrs ms dr prof sr jr st vs etc e.g i.e inc ltd co corp no fig approx dept est gen gov hon jan feb mar apr "
        "jun jul aug sep sept oct nov dec u.s u.k a.m p.m".split()
    ),
    "de": frozenset(
        "hr fr dr prof z.b d.h u.a usw bzw ca evtl ggf inkl nr str tel vgl abs art bspw etc geb jan feb apr aug sept "
        "okt nov dez mio mrd st".split()
    ),
    "fr": frozenset(
        "m mm mme mlle dr prof etc ex p.ex cf env av janv févr avr juil sept oct nov déc n st".split()
    ),
    "es": frozenset(
        "sr sra srta dr dra prof etc ej p.ej ud uds núm pág av depto ene feb abr ago sept oct nov dic".split()
    ),
    "it": frozenset(
        "sig sig.ra dott dott.ssa prof ecc es pag n art avv ing gen feb apr giu lug sett ott nov dic".split()
    ),
    "pt": frozenset("sr sra dr dra prof etc ex p.ex pág n art av jan fev abr ago set out nov dez".split()),
    "nl": frozenset(
        "dhr mevr dr prof drs ing bijv d.w.z enz evt o.a nr blz ca jan feb apr aug sept okt nov dec".split()
    ),
    "pl": frozenset("p pan dr prof np tj itd itp m.in ul nr str ok tzn".split()),
    "ru": frozenset("г гг т.е т.д т.п др проф ул д стр руб тыс млн см".split()),
}
"""Language -> words, lower case and without their last stop, after which a sentence goes on."""


def code(language: str) -> str:
    """The code of a language given by its code ("en", "en-US") or its name ("English").

    >>> code("English"), code("de-CH"), code("Multi-language")
    ('en', 'de', 'xx')
    """
    wanted = language.strip().lower()
    by_name = {name: short for short, name in LANGUAGES.items()} | {"norwegian": "nb", "multilanguage": "xx"}
    short = wanted.replace("_", "-").split("-", 1)[0]
    found = by_name.get(wanted) or (short if short in LANGUAGES else None)
    if found is None:
        raise ValueError(f"{language!r} is no language known here; use a code like 'en', or 'xx' for several")
    return found
