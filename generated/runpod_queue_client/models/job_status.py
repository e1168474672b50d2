from enum import StrEnum


class JobStatus(StrEnum):
    CANCELLED = "CANCELLED"
    COMPLETED = "COMPLETED"
    ERROR = "ERROR"
    FAILED = "FAILED"
    IN_PROGRESS = "IN_PROGRESS"
    IN_QUEUE = "IN_QUEUE"
    RUNNING = "RUNNING"
    TIMED_OUT = "TIMED_OUT"

    def __str__(self) -> str:
        return str(self.value)

    def __reduce_ex__(self, protocol: object) -> "tuple[type[JobStatus], tuple[str]]":
        # By value, on every Python: a pseudo-member cannot be found by its name.
        return self.__class__, (str(self.value),)

    @classmethod
    def _missing_(cls, value: object) -> "JobStatus | None":
        """Keep a value that this version does not know as a member of its own: compare with ==, never with `is`."""
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = value
        member._value_ = value
        return member
