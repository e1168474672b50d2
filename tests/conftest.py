"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# The same examples in every run, in no fixed time: machines that run tests are sometimes busy.
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.load_profile("fixed")
