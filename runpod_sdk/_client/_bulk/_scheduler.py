"""How many inputs a bulk run may read and start, and when it is over. Pure counting."""

from __future__ import annotations


class Scheduler:
    """Counts what is taken, at work and handed out, and says what may follow.

    Results that nobody takes keep inputs from being taken, and nothing else: what has begun goes on to its end.

    Args:
        limit: how many are at work at once, at most.
        window: how many are taken whose results have not been handed out, at most; those that come first aside.
    """

    def __init__(self, limit: int, window: int) -> None:
        self.limit = limit
        self._window = window
        self._out = 0  # taken, and not handed out
        self._under_way = 0  # in line or at work
        self._at_work = 0
        self._is_fed = False

    # What happens.

    def put_first(self, count: int) -> None:
        """Note what is in line before all inputs, and takes no place in the window."""
        self._under_way += count

    def took(self) -> None:
        """Note that an input was taken."""
        self._out += 1
        self._under_way += 1

    def began(self) -> None:
        """Note that one in line is at work."""
        self._at_work += 1

    def ended(self) -> None:
        """Note that one is at work no more."""
        self._at_work -= 1
        self._under_way -= 1

    def handed(self, count: int = 1) -> None:
        """Note that results were handed out."""
        self._out -= count

    def fed(self) -> None:
        """Note that there are no more inputs."""
        self._is_fed = True

    def resize(self, limit: int, window: int) -> None:
        """Set other limits; what is at work goes on."""
        self.limit, self._window = limit, window

    # What follows.

    @property
    def room(self) -> int:
        """How many more may be taken."""
        return 0 if self._is_fed else max(0, self._window - self._out)

    @property
    def places(self) -> int:
        """How many more may begin."""
        return max(0, self.limit - self._at_work)

    @property
    def in_flight(self) -> int:
        """How many are at work."""
        return self._at_work

    @property
    def in_line(self) -> int:
        """How many are taken and wait for a place."""
        return self._under_way - self._at_work

    @property
    def is_over(self) -> bool:
        """Whether no more results will come."""
        return self._is_fed and self._under_way == 0
