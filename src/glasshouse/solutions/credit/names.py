"""Invented people: names, occupations and ways to reach them. None of these reaches anybody.

Telephone numbers lie in the range that Ofcom reserves for drama (01632 960000 to 960999), addresses of
electronic mail in the domain that RFC 2606 reserves for examples.
"""

from __future__ import annotations

from glasshouse.solutions.credit.draws import Draws

_FIRST = {
    "female": (
        "Ada Alma Berta Carla Clara Dora Edda Elin Emma Frida Greta Hanna Helga Ida Ines Irma Jana Johanna Karla "
        "Klara Lena Lotte Luise Maja Marta Mina Nora Olga Paula Rosa Selma Thea Ulla Vera Wilma"
    ).split(),
    "male": (
        "Adam Albert Anton Arno Bruno Carl Emil Erik Ernst Felix Franz Fritz Georg Gustav Hans Henrik Hugo Jakob "
        "Jonas Karl Kurt Lars Leo Ludwig Max Moritz Oskar Otto Paul Peter Rolf Simon Theo Tom Viktor"
    ).split(),
}
_LAST = (
    "Ahrens Albrecht Arnold Bach Bauer Beck Berger Brandt Braun Busch Dietrich Engel Fischer Frank Graf Gross Haas "
    "Hahn Hartmann Herzog Hoffmann Horn Jung Kaiser Keller Koch Kraus Lang Lindner Lorenz Maier Neumann Otto Peters "
    "Pohl Richter Roth Sauer Schreiber Seidel Sommer Stein Vogel Wagner Weber Werner Winter Wolf Ziegler Zimmer"
).split()
_TITLES = {
    "unemployed": ("none",),
    "labourer": ("porter", "warehouse worker", "cleaner", "farm hand", "machine operator"),
    "professional": ("nurse", "electrician", "teacher", "clerk", "carpenter", "driver", "librarian"),
    "management": ("shop owner", "head of department", "architect", "physician", "factory manager"),
}
_STREETS = "Garden Mill Station Church Harbour Forest Castle School Market River".split()
_TOWNS = "Altfeld Bergheim Dornau Eichtal Finkenau Grünstadt Hohenwerd Kleinsee Lindental Neuburg".split()


def person(draws: Draws, *, gender: str) -> str:
    """A full name."""
    return f"{draws.one_of(_FIRST[gender])} {draws.one_of(_LAST)}"


def occupation(draws: Draws, *, employment_type: str) -> str:
    """A job title that fits the type of employment."""
    return draws.one_of(_TITLES[employment_type])


def contact(draws: Draws, *, kind: str, name: str) -> str:
    """A telephone number, an address of electronic mail or a postal address (on two lines)."""
    if kind == "telephone":
        return f"+44 1632 960{draws.whole(0, 999):03d}"
    if kind == "email":
        return f"{name.lower().replace(' ', '.')}{draws.whole(1, 99)}@example.org"
    street = f"{draws.one_of(_STREETS)} Street {draws.whole(1, 140)}"
    return f"{street}\n{draws.whole(10000, 99999)} {draws.one_of(_TOWNS)}"
