"""What an applicant could change to be approved: recourse within the bank's own rules, checked by deciding again."""

from __future__ import annotations

import datetime
import string
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glasskit import recourse
from glasskit.explain import reasons, words

if TYPE_CHECKING or __package__:
    from glasshouse.solutions.credit.training import deciding, features
else:
    import deciding
    import features

Row = features.Row
Table = Mapping[str, Any]

_TOP = {"format", "options", "most_changes", "time_limit_s", "spare", "instalment", "number", "choice"}
_INSTALMENT = {"amount", "months", "amount_step", "months_step", "least_share", "cost", "sentence"}
_NUMBER = {
    *("column", "low", "high", "step", "direction", "cost_per_unit", "fixed_cost", "moves"),
    *("reach", "unless", "sentence"),
}
_CHOICE = {"field", "options", "cost", "direction", "unless", "sentence"}
_PLACES = {"old", "new", "old_amount", "old_months", "amount", "months"}


class RulesInvalid(ValueError):
    """Rules of recourse that cannot be used; names the entry."""

    def __init__(self, entry: str, problem: str) -> None:
        super().__init__(f"the rules of recourse: {entry} {problem}")
        self.entry = entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The content of recourse.toml, checked."""

    content: Table

    def levers(self, row: Row, encoder: features.Encoder) -> list[recourse.Lever]:
        """What this applicant can change."""
        found: list[recourse.Lever] = []
        if "instalment" in self.content:
            found.append(_instalment(self.content["instalment"], row))
        found += [
            _number(table, row) for table in self.content.get("number", []) if not _is_barred(table, row)
        ]
        for table in self.content.get("choice", []):
            if row[table["field"]] in table["options"] and not _is_barred(table, row):
                found.append(_choice(table, encoder))
        return found

    def require_fits(self, encoder: features.Encoder) -> None:
        """Raises RulesInvalid if they name a field that the model has not, or has as another kind."""
        pair = self.content.get("instalment", {})
        numbers = {f"instalment.{key}": pair[key] for key in ("amount", "months") if key in pair}
        for at, table in enumerate(self.content.get("number", [])):
            numbers[f"number[{at}].column"] = table["column"]
            numbers |= {f"number[{at}].moves": name for name in table.get("moves", {})}
        for entry, name in numbers.items():
            if name not in encoder.numeric:
                raise RulesInvalid(entry, f"names {name!r}, which is no number of the model's")
        for at, table in enumerate(self.content.get("choice", [])):
            if table["field"] not in encoder.categories:
                raise RulesInvalid(
                    f"choice[{at}].field", f"names {table['field']!r}, which has no categories"
                )

    def sentence(self, changes: Mapping[str, tuple[object, object]], old: Row, new: Row) -> str:
        """The changes of one option in the rules' own words."""
        told = [
            template.format_map(
                {"old": words.value(old.get(lever)), "new": words.value(new.get(lever)), **amounts}
            ).rstrip(".")
            for lever, template, amounts in self._told(changes, old, new)
        ]
        return "; and ".join([told[0], *(one[0].lower() + one[1:] for one in told[1:])]) + "."

    def _told(
        self, changes: Mapping[str, object], old: Row, new: Row
    ) -> Iterator[tuple[str, str, dict[str, str]]]:
        for table in (*self.content.get("number", []), *self.content.get("choice", [])):
            name = table.get("column") or table["field"]
            if name in changes:
                yield name, table["sentence"], {}
        table = self.content.get("instalment")
        if table and _PAIR in changes:
            yield (
                _PAIR,
                table["sentence"],
                {
                    "amount": words.value(new[table["amount"]]),
                    "months": words.value(new[table["months"]]),
                    "old_amount": words.value(old[table["amount"]]),
                    "old_months": words.value(old[table["months"]]),
                },
            )


_PAIR = "amount and time"
_TOLD: Mapping[recourse.Status, str] = {
    "optimal": "The first way is proved to be the nearest there is.",
    "feasible": "Time ran out before it was proved that there is no nearer way.",
    "none_exists": "Proved: nothing that may change would have led to an approval.",
    "timed_out": "Time ran out before a way was found, or proved not to be there.",
}


def load(path: Path) -> Rules:
    """The rules in a file. Raises RulesInvalid naming the entry."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    _require(content, "", _TOP, needed={"format", "options", "most_changes", "time_limit_s", "spare"})
    if content["format"] != 1:
        raise RulesInvalid("format", "is not 1, the only one there is")
    if "instalment" in content:
        _require(content["instalment"], "instalment", _INSTALMENT, needed=_INSTALMENT)
    for kind, known, needed in (
        ("number", _NUMBER, {"column", "cost_per_unit", "sentence"}),
        ("choice", _CHOICE, {"field", "options", "cost", "sentence"}),
    ):
        for at, table in enumerate(content.get(kind, [])):
            _require(table, f"{kind}[{at}]", known, needed=needed)
    return Rules(content=content)


def _require(table: Table, entry: str, known: set[str], *, needed: set[str]) -> None:
    for key in table:
        if key not in known:
            raise RulesInvalid(f"{entry}.{key}".lstrip("."), f"is not one of {', '.join(sorted(known))}")
    for key in sorted(needed - set(table)):
        raise RulesInvalid(f"{entry}.{key}".lstrip("."), "is missing")
    for _, place, _, _ in string.Formatter().parse(table.get("sentence", "")):
        if place is not None and place not in _PLACES:
            raise RulesInvalid(f"{entry}.sentence", f"has the place {{{place}}}, which nothing fills")


def _is_barred(table: Table, row: Row) -> bool:
    return any(row[field] == given for field, given in table.get("unless", {}).items())


def _number(table: Table, row: Row) -> recourse.Number:
    plain = {key: value for key, value in table.items() if key not in {"reach", "unless", "sentence"}}
    if "reach" in table:
        plain |= {"low": row[table["column"]] - table["reach"], "high": row[table["column"]] + table["reach"]}
    return recourse.Number(**plain)


def _choice(table: Table, encoder: features.Encoder) -> recourse.Choice:
    known = encoder.categories[table["field"]]
    options = [option for option in table["options"] if option in known]
    return recourse.Choice.one_hot(
        table["field"],
        encoder.names,
        options=options,
        costs=dict.fromkeys(options, table["cost"]),
        direction=table.get("direction", "any"),
    )


def _instalment(table: Table, row: Row) -> recourse.Choice:
    """Smaller amounts over the same or a shorter time, none with a higher instalment than now."""
    amount, months = row[table["amount"]], row[table["months"]]
    options: dict[str, dict[str, float]] = {}
    costs = {}
    shorter = range(table["months_step"], int(months), table["months_step"])
    for time in (*shorter, months):
        most = amount * time / months
        step = table["amount_step"]
        fewest = -(-amount * table["least_share"] // step)
        sums = [amount] if time == months else []
        sums += [step * n for n in range(int(fewest), int(most // step) + 1) if step * n < amount]
        for less in sums:
            name = f"{less:g} over {time:g}"
            options[name] = {table["amount"]: float(less), table["months"]: float(time)}
            costs[name] = max(table["cost"] * (1 - less / amount), 1e-6)
    return recourse.Choice(name=_PAIR, options=options, costs=costs)


def find(
    rules: Rules, decider: deciding.Decider, row: Row, outcome: reasons.Outcome, *, on: datetime.date
) -> dict[str, Any]:
    """The ways to an approval that were found, each decided again; as JSON-ready data."""
    if not isinstance(outcome, reasons.Declined):
        return {"status": "not_needed", "sentence": "Nothing was declined.", "options": []}
    policy = decider.policy(on)
    above, spare = policy.adverse == "above", rules.content["spare"]
    encoder = decider.encoder
    found = recourse.find(
        decider.explainer,
        encoder.transform([row])[0],
        rules.levers(row, encoder),
        count=rules.content["options"],
        most_changes=rules.content["most_changes"],
        time_limit_s=rules.content["time_limit_s"],
        at_most=policy.threshold - spare if above else None,
        at_least=None if above else policy.threshold + spare,
    )
    changed = [application(row, option.columns, encoder) for option in found.options]
    decided = decider.outcomes(changed, on=on) if changed else []
    return {
        "status": found.status,
        "sentence": _TOLD[found.status],
        "best_possible": found.best_possible,
        "options": [
            {
                "sentence": rules.sentence(option.changes, row, new),
                "application": new,
                "changes": {name: [row[name], new[name]] for name in new if new[name] != row[name]},
                "prediction": option.prediction,
                "cost": option.cost,
                "is_nearest": option.is_nearest,
            }
            for option, new, after in zip(found.options, changed, decided, strict=True)
            if isinstance(after, reasons.Approved)
        ],
    }


def application(
    row: Row, columns: Mapping[str, Sequence[float]], encoder: features.Encoder
) -> dict[str, Any]:
    """The application with changed columns (name -> old, new) put back into its own fields."""
    changed, field_of = dict(row), encoder.fields()
    for name, (_, new) in columns.items():
        field = field_of[name]
        if name == field:
            changed[field] = type(row[field])(new)
        elif new == 1.0:
            changed[field] = name.removeprefix(f"{field}{features.LEVEL}")
    return changed
