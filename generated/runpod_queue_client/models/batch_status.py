from enum import StrEnum


class BatchStatus(StrEnum):
    CANCELLED = "CANCELLED"
    DRAFT = "DRAFT"
    FAILED = "FAILED"
    FINALIZED = "FINALIZED"

    def __str__(self) -> str:
        return str(self.value)

    def __reduce_ex__(self, protocol: object) -> "tuple[type[BatchStatus], tuple[str]]":
        # By value, on every Python: a pseudo-member cannot be found by its name.
        return self.__class__, (str(self.value),)

    @classmethod
    def _missing_(cls, value: object) -> "BatchStatus | None":
        """Keep a value that this version does not know as a member of its own: compare with ==, never with `is`."""
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = value
        member._value_ = value
        return member
