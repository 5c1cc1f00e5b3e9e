"""Operations that write, copy and delete objects."""

from __future__ import annotations

from glasshouse.doors.files import answers, requests, xml
from glasshouse.doors.files.answers import Answer
from glasshouse.doors.files.buckets import tags_in
from glasshouse.doors.files.requests import Request
from glasshouse.kernel import errors
from glasshouse.kernel.access import Access
from glasshouse.kernel.objects import Attributes, Conditions, Deletion, Objects, Place, Stored, faults

MOST_DELETED = 1000


class Writing:
    """Handlers, one for each operation of that name."""

    def __init__(self, objects: Objects, access: Access) -> None:
        self._objects = objects
        self._access = access

    def before_put_object(self, request: Request) -> str:
        """Refuses before the content is sent what would be refused after it; no checksum algorithm is wanted."""
        request.attributes()
        self._objects.check_put(request.place, check=request.conditions())
        return ""

    def put_object(self, request: Request, stored: Stored) -> Answer:
        version = self._objects.put(
            request.place, stored, attributes=request.attributes(), check=request.conditions()
        )
        headers = {"etag": answers.etag(version), **answers.checksum_headers(version.checksum)}
        return Answer(headers=headers | answers.version_headers(version.version_id))

    def copy_object(self, request: Request) -> Answer:
        source = self.permitted_source(request)
        attributes, tags = _directed(request)
        algorithm = request.header("x-amz-checksum-algorithm")
        if source == request.place and attributes is None and tags is None and not algorithm:
            raise faults.InvalidRequest(
                "This copy request is illegal because it is trying to copy an object to itself without changing "
                "the object's metadata, storage class, website redirect location or encryption attributes."
            )
        version = self._objects.copy(
            source,
            request.place,
            attributes=attributes,
            tags=tags,
            algorithm=algorithm,
            source_check=request.conditions("x-amz-copy-source-"),
            check=Conditions(match=request.header("if-match"), none_match=request.header("if-none-match")),
        )
        children: list[xml.Child] = [
            ("LastModified", requests.iso_date(version.created_at)),
            ("ETag", answers.etag(version)),
            *answers.checksum_children(version.checksum),
        ]
        headers = answers.version_headers(version.version_id)
        return answers.document("CopyObjectResult", children, headers)

    def delete_object(self, request: Request) -> Answer:
        if request.place.version_id:
            self._access.check(request.caller, "s3:DeleteObjectVersion", request.arn)
        deletion = self._objects.delete(request.place, check=Conditions(match=request.header("if-match")))
        headers = answers.version_headers(deletion.version_id)
        if deletion.is_delete_marker:
            headers["x-amz-delete-marker"] = "true"
        return answers.nothing(headers)

    def delete_objects(self, request: Request, content: bytes) -> Answer:
        wanted = xml.parse(content, root="Delete")
        wanted.only("Object", "Quiet")
        listed = list(wanted.all("Object"))
        if not 1 <= len(listed) <= MOST_DELETED:
            raise faults.MalformedXml
        is_quiet = wanted.find("Quiet").lower() == "true"
        places = [_named(request, element) for element in listed]
        checks = [Conditions(match=element.find("ETag")) for element in listed]
        refused = {index: self._refusal(request, place) for index, place in enumerate(places)}
        allowed = [index for index, problem in refused.items() if problem is None]
        self._objects.bucket(request.place)
        deletions = self._objects.delete_many(
            [places[index] for index in allowed], checks=[checks[index] for index in allowed]
        )
        done = dict(zip(allowed, deletions, strict=True))
        children: list[xml.Child] = []
        for index, place in enumerate(places):
            problem = refused[index] or done[index].fault
            if problem is not None:
                children.append(("Error", _refused(place, problem)))
            elif not is_quiet:
                children.append(("Deleted", _deleted(place, done[index])))
        return answers.document("DeleteResult", children)

    def put_object_tagging(self, request: Request, content: bytes) -> Answer:
        version = self._objects.set_tags(request.place, tags_in(content))
        return Answer(headers=answers.version_headers(version.version_id))

    def delete_object_tagging(self, request: Request) -> Answer:
        version = self._objects.set_tags(request.place, {})
        return answers.nothing(answers.version_headers(version.version_id))

    def permitted_source(self, request: Request) -> Place:
        """The source of a copy, once the caller may read it."""
        source = request.source()
        expected = request.header("x-amz-source-expected-bucket-owner")
        if expected not in ("", request.caller.account):
            raise faults.AccessDenied
        self._access.check(request.caller, "s3:GetObject", f"arn:aws:s3:::{source.bucket}/{source.key}")
        return source

    def _refusal(self, request: Request, place: Place) -> errors.WireError | None:
        action = "s3:DeleteObjectVersion" if place.version_id else "s3:DeleteObject"
        try:
            self._access.check(request.caller, action, f"arn:aws:s3:::{place.bucket}/{place.key}")
        except errors.AccessDenied as problem:
            return problem
        return None


def _directed(request: Request) -> tuple[Attributes | None, dict[str, str] | None]:
    """The new attributes and tags; None where the source's are to be kept."""
    asked = request.attributes()
    replaces = request.header("x-amz-metadata-directive") == "REPLACE"
    replaces_tags = request.header("x-amz-tagging-directive") == "REPLACE"
    return (asked if replaces else None), (dict(asked.tags) if replaces_tags else None)


def _named(request: Request, element: xml.Element) -> Place:
    element.only("Key", "VersionId", "ETag")
    key = "".join(child.text for child in element.all("Key"))
    if not key:
        raise faults.MalformedXml
    return Place(
        account=request.caller.account, bucket=request.bucket, key=key, version_id=element.find("VersionId")
    )


def _refused(place: Place, problem: errors.WireError) -> list[xml.Child]:
    return [
        ("Key", place.key),
        ("VersionId", place.version_id or None),
        ("Code", answers.code(problem)),
        ("Message", problem.message),
    ]


def _deleted(place: Place, deletion: Deletion) -> list[xml.Child]:
    is_marker = deletion.is_delete_marker
    return [
        ("Key", place.key),
        ("VersionId", place.version_id or None),
        ("DeleteMarker", True if is_marker else None),
        ("DeleteMarkerVersionId", deletion.version_id if is_marker else None),
    ]
