"""The sample reasons of Regulation B (12 CFR part 1002, appendix C, form C-1, part I) as codes.

The form lists its reasons without numbers; `C-1.09` is the ninth in the form's order. Order and wording
were compared with form C-1 as the Federal Reserve publishes it (Regulatory Service, 6-074); the wording
of a regulation of the United States is in the public domain. The form only gives examples: a reason must
say what was actually considered, so a letter's words stand in the policy, and ticking the nearest item
is not enough (CFPB circular 2023-03).
"""

from __future__ import annotations

from types import MappingProxyType

_FORM = (
    "Credit application incomplete",
    "Insufficient number of credit references provided",
    "Unacceptable type of credit references provided",
    "Unable to verify credit references",
    "Temporary or irregular employment",
    "Unable to verify employment",
    "Length of employment",
    "Income insufficient for amount of credit requested",
    "Excessive obligations in relation to income",
    "Unable to verify income",
    "Length of residence",
    "Temporary residence",
    "Unable to verify residence",
    "No credit file",
    "Limited credit experience",
    "Poor credit performance with us",
    "Delinquent past or present credit obligations with others",
    "Collection action or judgment",
    "Garnishment or attachment",
    "Foreclosure or repossession",
    "Bankruptcy",
    "Number of recent inquiries on credit bureau report",
    "Value or type of collateral not sufficient",
    "Other, specify",
)

CODES = MappingProxyType({f"C-1.{number:02d}": text for number, text in enumerate(_FORM, start=1)})
"""Code -> the form's own words."""

OTHER = "C-1.24"
"""The code of a reason that the form does not list; the policy's words specify it."""

SCHEME = "regulation-b-c1"
"""What a policy calls this list of codes."""

MOST_REASONS = 4
"""More reasons than this are not likely to help (official interpretation of § 1002.9(b)(2))."""
