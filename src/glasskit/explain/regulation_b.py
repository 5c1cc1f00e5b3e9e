"""The sample reasons of Regulation B (12 CFR part 1002, appendix C, form C-1) as codes.

The form lists its reasons without numbers; `C-1.09` is the ninth in the form's order. The words here
are short names of our own, for people who write a policy; the letter's words stand in the policy.
"""

from __future__ import annotations

from types import MappingProxyType

_NAMES = (
    "application incomplete",
    "too few credit references",
    "type of credit references",
    "credit references not verifiable",
    "temporary or irregular employment",
    "employment not verifiable",
    "length of employment",
    "income too low for the amount",
    "obligations too high for the income",
    "income not verifiable",
    "length of residence",
    "temporary residence",
    "residence not verifiable",
    "no credit file",
    "limited credit experience",
    "poor payment record with us",
    "late payments to others, past or present",
    "collection action or judgment",
    "garnishment or attachment",
    "foreclosure or repossession",
    "bankruptcy",
    "number of recent inquiries",
    "value or type of collateral",
    "another reason, stated in words",
)

CODES = MappingProxyType({f"C-1.{number:02d}": name for number, name in enumerate(_NAMES, start=1)})
"""Code -> what it is about."""

SCHEME = "regulation-b-c1"
"""What a policy calls this list of codes."""

MOST_REASONS = 4
"""More reasons than this are not likely to help (official interpretation of § 1002.9(b)(2))."""
