"""The one error tree of Surefoot.

    SurefootError
    ├── ConfigurationError      the operator's own settings are wrong
    ├── ApiError                the Kubernetes API refused or could not be reached
    │   ├── NotFound            404: the object is not there
    │   ├── Conflict            409: somebody else wrote first; gather again
    │   ├── Refused             400, 403, 422: asking again changes nothing
    │   └── Unavailable         429, 5xx, time-outs, broken connections: try again
    ├── LeadershipLost          another replica may act now: this process must end
    ├── SinkError               a sink did not take lines of the record
    ├── NotificationError       a route did not take a notification
    ├── RecordError             an exported record cannot be used
    ├── ReportError             there is nothing of the kind to report on
    ├── AuditError              the standards or the log of an audit cannot be used
    ├── UnreadableObject        an object does not have the shape its kind promises
    └── TestbedError            the local control plane could not be built or started

Expected outcomes (a closed gate, a metric without data) are values, never errors.
"""


class SurefootError(Exception):
    """Anything Surefoot raises on purpose. The message says what was found and what to do."""


class ConfigurationError(SurefootError):
    """A setting of the operator is missing or wrong."""


class UnreadableObject(SurefootError):
    """An object from the API server does not have the shape that its kind promises.

    ``rollout`` is the Rollout of the same namespace that a request names, and ``decision`` the
    decision that it carries, as far as either can be told.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str = "",
        namespace: str = "",
        name: str = "",
        uid: str = "",
        resource_version: str = "",
        rollout: str = "",
        decision: str = "",
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.namespace = namespace
        self.name = name
        self.uid = uid
        self.resource_version = resource_version
        self.rollout = rollout
        self.decision = decision


class ApiError(SurefootError):
    """A request to the Kubernetes API did not succeed.

    ``status`` is the HTTP status, or ``None`` where no answer came.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class NotFound(ApiError):
    """The object, or its namespace, does not exist (404)."""


class Conflict(ApiError):
    """The object changed, or was created, since it was read (409)."""


class Refused(ApiError):
    """The API server will not take this request, now or later (400, 403, 413, 422)."""


class Unavailable(ApiError):
    """The API server did not answer, or asked to be left alone for now (429, 5xx, time-outs)."""


class LeadershipLost(SurefootError):
    """Another replica may act now. The process ends, and is started again as one that waits."""


class SinkError(SurefootError):
    """A sink of the record did not take what it was given; it is given it again."""


class NotificationError(SurefootError):
    """A route did not take a notification. The message never quotes the route's URL."""


class RecordError(SurefootError):
    """An exported record was tampered with, or is not the one that is needed."""


class ReportError(SurefootError):
    """A report was asked for on something that neither the plan nor the record has."""


class AuditError(SurefootError):
    """The standards that an audit compares with, or the log that it reads, cannot be used."""


class TestbedError(SurefootError):
    """The local control plane could not be built, started or stopped."""

    __test__ = False  # pytest must not take it for a test case


def is_about_size(error: ApiError) -> bool:
    """Whether etcd, or the API server's way to it, has no room for an object as large as this."""
    said = str(error)
    return error.status == 500 and ("too large" in said or "larger than max" in said)
