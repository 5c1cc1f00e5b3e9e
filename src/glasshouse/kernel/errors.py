"""Every error that leaves the kernel.

GlasshouseError
├── WireError                 answered to the client: code, HTTP status, message
│   ├── Validation            ValidationException
│   ├── NotFound              code and sentence come from the kind
│   ├── AlreadyExists         code and sentence come from the kind
│   ├── Conflict              the resource is in a state that forbids the request
│   ├── LimitExceeded         ResourceLimitExceeded
│   ├── AccessDenied          AccessDeniedException
│   ├── Unauthenticated       a signature, key or token was refused
│   ├── NotOffered            501, names the operation
│   └── Internal              500, says nothing of the inside
├── Retry                     the work loop tries again after `after_s`
└── Fatal                     the work loop moves the resource to its failed state
"""

from __future__ import annotations


class GlasshouseError(Exception):
    """Root of all our errors."""


class WireError(GlasshouseError):
    """An error with a code and an HTTP status that a client sees."""

    code = "InternalFailure"
    status = 500

    def __init__(self, message: str, *, code: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.status = status or type(self).status


class Validation(WireError):
    """The request breaks a rule; the message names the member and the rule."""

    code = "ValidationException"
    status = 400


class NotFound(WireError):
    code = "ValidationException"
    status = 400


class AlreadyExists(WireError):
    code = "ValidationException"
    status = 400


class Conflict(WireError):
    code = "ValidationException"
    status = 400


class LimitExceeded(WireError):
    code = "ResourceLimitExceeded"
    status = 400


class AccessDenied(WireError):
    code = "AccessDeniedException"
    status = 400

    def __init__(self, *, principal: str, action: str, resource: str) -> None:
        super().__init__(f"User: {principal} is not authorized to perform: {action} on resource: {resource}")


class Unauthenticated(WireError):
    """Refused before anything was looked at. `code` is AWS's own for the cause."""

    code = "UnrecognizedClientException"
    status = 403


class InvalidClientToken(Unauthenticated):
    code = "UnrecognizedClientException"

    def __init__(self) -> None:
        super().__init__("The security token included in the request is invalid.")


class ExpiredToken(Unauthenticated):
    code = "ExpiredTokenException"

    def __init__(self) -> None:
        super().__init__("The security token included in the request is expired")


class NotOffered(WireError):
    code = "UnsupportedOperation"
    status = 501

    def __init__(self, operation: str) -> None:
        super().__init__(f"The operation {operation} is not offered by this server.")


class Internal(WireError):
    def __init__(self, request_id: str) -> None:
        super().__init__(
            f"The request could not be processed; the server's log has the cause ({request_id})."
        )


class Retry(GlasshouseError):
    """Work that may be tried again after a while."""

    def __init__(self, reason: str, *, after_s: float = 30.0) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Fatal(GlasshouseError):
    """Work that must stop; the reason becomes the resource's FailureReason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
