"""The errors of the object store, with the codes, statuses and sentences that S3's clients know.

Fault
├── about a bucket     NoSuchBucket  InvalidBucketName  BucketAlreadyExists  BucketAlreadyOwnedByYou  BucketNotEmpty
├── about a key        NoSuchKey  NoSuchVersion  KeyTooLong  IsDeleteMarker
├── about an upload    NoSuchUpload  InvalidPart  InvalidPartOrder  EntityTooSmall  EntityTooLarge
├── about content      BadDigest  InvalidDigest  ContentMismatch  IncompleteBody  MissingContentLength
├── about a condition  PreconditionFailed  NotModified  InvalidRange  ConflictingWrite  TryAgain
├── about a request    InvalidArgument  InvalidRequest  InvalidTag  MalformedXml  MetadataTooLarge
└── about permission   AccessDenied
"""

from __future__ import annotations

from collections.abc import Mapping

from glasshouse.kernel import errors


class Fault(errors.WireError):
    """`detail` goes into the sentence where it has a place for it, and is answered as the element `fact`."""

    status = 400
    sentence = "{}"
    fact = ""

    def __init__(self, detail: str = "", *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(self.sentence.format(detail))
        self.facts = {self.fact: detail} if self.fact and detail else {}
        self.headers = dict(headers or {})


class NoSuchBucket(Fault):
    code = "NoSuchBucket"
    status = 404
    sentence = "The specified bucket does not exist"
    fact = "BucketName"


class InvalidBucketName(Fault):
    code = "InvalidBucketName"
    sentence = "The specified bucket is not valid."
    fact = "BucketName"


class BucketAlreadyExists(Fault):
    code = "BucketAlreadyExists"
    status = 409
    sentence = (
        "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "
        "Please select a different name and try again."
    )
    fact = "BucketName"


class BucketAlreadyOwnedByYou(Fault):
    code = "BucketAlreadyOwnedByYou"
    status = 409
    sentence = "Your previous request to create the named bucket succeeded and you already own it."
    fact = "BucketName"


class BucketNotEmpty(Fault):
    code = "BucketNotEmpty"
    status = 409
    sentence = "The bucket you tried to delete is not empty"
    fact = "BucketName"


class NoSuchTagSet(Fault):
    code = "NoSuchTagSet"
    status = 404
    sentence = "The TagSet does not exist"
    fact = "BucketName"


class NoSuchKey(Fault):
    code = "NoSuchKey"
    status = 404
    sentence = "The specified key does not exist."
    fact = "Key"


class NoSuchVersion(Fault):
    code = "NoSuchVersion"
    status = 404
    sentence = "The specified version does not exist."
    fact = "VersionId"


class KeyTooLong(Fault):
    code = "KeyTooLongError"
    sentence = "Your key is too long"


class IsDeleteMarker(Fault):
    code = "MethodNotAllowed"
    status = 405
    sentence = "The specified method is not allowed against this resource."


class NoSuchUpload(Fault):
    code = "NoSuchUpload"
    status = 404
    sentence = (
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted "
        "or completed."
    )
    fact = "UploadId"


class InvalidPart(Fault):
    code = "InvalidPart"
    sentence = (
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the "
        "specified entity tag may not match the part's entity tag."
    )
    fact = "PartNumber"


class InvalidPartOrder(Fault):
    code = "InvalidPartOrder"
    sentence = "The list of parts was not in ascending order. Parts must be ordered by part number."


class EntityTooSmall(Fault):
    code = "EntityTooSmall"
    sentence = "Your proposed upload is smaller than the minimum allowed size"
    fact = "PartNumber"


class EntityTooLarge(Fault):
    code = "EntityTooLarge"
    sentence = "Your proposed upload exceeds the maximum allowed size"
    fact = "MaxSizeAllowed"


class BadDigest(Fault):
    code = "BadDigest"
    sentence = "The {} you specified did not match the calculated checksum."


class InvalidDigest(Fault):
    code = "InvalidDigest"
    sentence = "The {} you specified is not valid."


class ContentMismatch(Fault):
    code = "XAmzContentSHA256Mismatch"
    sentence = "The provided 'x-amz-content-sha256' header does not match what was computed."


class IncompleteBody(Fault):
    code = "IncompleteBody"
    sentence = "The request body terminated unexpectedly"


class MissingContentLength(Fault):
    code = "MissingContentLength"
    status = 411
    sentence = "You must provide the Content-Length HTTP header."


class PreconditionFailed(Fault):
    code = "PreconditionFailed"
    status = 412
    sentence = "At least one of the pre-conditions you specified did not hold"
    fact = "Condition"


class NotModified(Fault):
    code = "NotModified"
    status = 304
    sentence = "Not Modified"


class InvalidRange(Fault):
    code = "InvalidRange"
    status = 416
    sentence = "The requested range is not satisfiable"


class ConflictingWrite(Fault):
    code = "ConditionalRequestConflict"
    status = 409
    sentence = "The conditional request cannot succeed due to a conflicting operation against this resource. Try again."


class TryAgain(Fault):
    code = "SlowDown"
    status = 503
    sentence = "Please try again."


class InvalidArgument(Fault):
    code = "InvalidArgument"


class InvalidRequest(Fault):
    code = "InvalidRequest"


class InvalidTag(Fault):
    code = "InvalidTag"


class MalformedXml(Fault):
    code = "MalformedXML"
    sentence = "The XML you provided was not well-formed or did not validate against our published schema"


class MetadataTooLarge(Fault):
    code = "MetadataTooLarge"
    sentence = "Your metadata headers exceed the maximum allowed metadata size"


class AccessDenied(Fault):
    code = "AccessDenied"
    status = 403
    sentence = "Access Denied"


class NotImplementedHere(Fault):
    code = "NotImplemented"
    status = 501
    sentence = "This server does not implement {}."
