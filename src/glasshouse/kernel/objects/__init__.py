"""Objects: buckets, keys and versions over blobs and the catalogue. The files door and the jobs both stand on it."""

from glasshouse.kernel.objects import faults
from glasshouse.kernel.objects.conditions import Conditions, Range, parse_range
from glasshouse.kernel.objects.folders import Contents, Input
from glasshouse.kernel.objects.intake import Expected, Intake, Stored
from glasshouse.kernel.objects.listing import Page, Query
from glasshouse.kernel.objects.places import Attributes, Place
from glasshouse.kernel.objects.service import Deletion, Objects
from glasshouse.kernel.objects.uploads import Uploads, WantedPart

__all__ = [
    "Attributes",
    "Conditions",
    "Contents",
    "Deletion",
    "Expected",
    "Input",
    "Intake",
    "Objects",
    "Page",
    "Place",
    "Query",
    "Range",
    "Stored",
    "Uploads",
    "WantedPart",
    "faults",
    "parse_range",
]
