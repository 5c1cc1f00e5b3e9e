"""Operations on buckets."""

from __future__ import annotations

from collections.abc import Mapping

from glasshouse.doors.files import answers, requests, xml
from glasshouse.doors.files.answers import Answer
from glasshouse.doors.files.requests import Request
from glasshouse.kernel.catalog import Versioning
from glasshouse.kernel.objects import Objects, faults

DEFAULT_REGION = "us-east-1"
"""The region that S3 answers as an empty location."""

_MOST_BUCKETS = 10_000


class IllegalLocation(faults.Fault):
    code = "IllegalLocationConstraintException"
    sentence = "The {} location constraint is incompatible for the region specific endpoint this request was sent to."


class Buckets:
    """Handlers, one for each operation of that name."""

    def __init__(self, objects: Objects, region: str) -> None:
        self._objects = objects
        self._region = region

    def list_buckets(self, request: Request) -> Answer:
        prefix = request.params.get("prefix", "")
        region = request.params.get("bucket-region", "")
        token = request.params.get("continuation-token", "")
        after = requests.marker_of(token) if token else ""
        limit = request.number("max-buckets", _MOST_BUCKETS, most=_MOST_BUCKETS, least=1)
        found = [
            bucket
            for bucket in self._objects.buckets(request.caller.account)
            if bucket.name.startswith(prefix) and bucket.name > after and region in ("", bucket.region)
        ]
        shown = found[:limit]
        children: list[xml.Child] = [
            ("Owner", answers.owner(request.caller.account)),
            (
                "Buckets",
                [("Bucket", _described(bucket.name, bucket.created_at, bucket.region)) for bucket in shown],
            ),
            ("Prefix", prefix or None),
            ("ContinuationToken", requests.token_of(shown[-1].name) if len(found) > limit else None),
        ]
        return answers.document("ListAllMyBucketsResult", children)

    def create_bucket(self, request: Request, content: bytes) -> Answer:
        location = ""
        if content:
            wanted = xml.parse(content, root="CreateBucketConfiguration")
            wanted.only("LocationConstraint", "Tags")
            location = wanted.find("LocationConstraint")
            tags = {t.find("Key"): t.find("Value") for tags in wanted.all("Tags") for t in tags.all("Tag")}
        else:
            tags = {}
        if location not in ("", self._region):
            raise IllegalLocation(location)
        self._objects.create_bucket(request.place, region=self._region, tags=tags)
        return Answer(headers={"location": f"/{request.bucket}"})

    def head_bucket(self, request: Request) -> Answer:
        bucket = self._objects.bucket(request.place)
        return Answer(
            headers={"x-amz-bucket-region": bucket.region, "x-amz-access-point-alias": "false"},
        )

    def delete_bucket(self, request: Request) -> Answer:
        self._objects.delete_bucket(request.place)
        return answers.nothing()

    def get_bucket_location(self, request: Request) -> Answer:
        region = self._objects.bucket(request.place).region
        text = "" if region == DEFAULT_REGION else xml.escape(region)
        body = f'<LocationConstraint xmlns="{xml.NAMESPACE}">{text}</LocationConstraint>'
        return Answer(headers={"content-type": "application/xml"}, body=xml.DECLARATION + body.encode())

    def get_bucket_versioning(self, request: Request) -> Answer:
        versioning = self._objects.bucket(request.place).versioning
        return answers.document("VersioningConfiguration", [("Status", versioning or None)])

    def put_bucket_versioning(self, request: Request, content: bytes) -> Answer:
        wanted = xml.parse(content, root="VersioningConfiguration")
        wanted.only("Status", "MfaDelete")
        if wanted.find("MfaDelete") not in ("", "Disabled"):
            raise faults.NotImplementedHere("deletion with multi-factor authentication")
        states: dict[str, Versioning] = {"Enabled": "Enabled", "Suspended": "Suspended"}
        status = states.get(wanted.find("Status"))
        if status is None:
            raise faults.MalformedXml
        self._objects.set_versioning(request.place, status)
        return Answer()

    def get_bucket_tagging(self, request: Request) -> Answer:
        tags = self._objects.bucket(request.place).tags
        if not tags:
            raise faults.NoSuchTagSet(request.bucket)
        return answers.document("Tagging", tag_children(tags))

    def put_bucket_tagging(self, request: Request, content: bytes) -> Answer:
        self._objects.set_bucket_tags(request.place, tags_in(content))
        return answers.nothing()

    def delete_bucket_tagging(self, request: Request) -> Answer:
        self._objects.set_bucket_tags(request.place, {})
        return answers.nothing()


def tags_in(content: bytes) -> dict[str, str]:
    """The tags of a Tagging document."""
    sets = list(xml.parse(content, root="Tagging").all("TagSet"))
    if len(sets) != 1:
        raise faults.MalformedXml
    tags: dict[str, str] = {}
    for tag in sets[0].all("Tag"):
        tag.only("Key", "Value")
        if tag.find("Key") in tags:
            raise faults.InvalidTag("Cannot provide multiple Tags with the same key")
        tags[tag.find("Key")] = tag.find("Value")
    return tags


def tag_children(tags: Mapping[str, str]) -> list[xml.Child]:
    return [("TagSet", [("Tag", [("Key", key), ("Value", value)]) for key, value in sorted(tags.items())])]


def _described(name: str, created_at: float, region: str) -> list[xml.Child]:
    return [("Name", name), ("CreationDate", requests.iso_date(created_at)), ("BucketRegion", region)]
