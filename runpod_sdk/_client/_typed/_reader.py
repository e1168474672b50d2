"""Converts a job's output to the requested `output_type`, or says exactly where it does not match.

An output is JSON, and is taken at its word: "5" is no int, and what a type does not name is ignored. A type that holds
a pydantic model is pydantic's business; any other is read with cattrs (the extra `typed`), made strict. Both are
imported when the first endpoint of such a type is made; that fails if one is missing, or JSON cannot be read so.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, get_args

from runpod_sdk._http._signals import let_pass
from runpod_sdk._values._states import shorten, untouched
from runpod_sdk.errors import OutputTypeError

from ._misfit import Misfit, first_line, name_of, step

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk._values._states import JobState


def reader_of(output_type: Any) -> Callable[[JobState], Any] | None:
    """Return what reads the output of a state as this type; None where there is nothing to read (Any).

    Raises:
        ImportError: the extra that reads such types is not installed.
        TypeError: JSON cannot be read as this type.
    """
    if output_type is Any:
        return None
    if _is_of_pydantic(output_type):
        read = _by_pydantic(output_type)
    else:
        if find_spec("cattrs") is None:
            raise ImportError("output_type needs cattrs, or a pydantic model: pip install 'runpod-sdk[typed]'")
        from ._cattrs import reading

        read = reading(output_type)
    return partial(_read, read, name_of(output_type))


def _read(read: Callable[[Any], Any], name: str, state: JobState) -> Any:
    handled = sys.exception()
    state = untouched(state)
    try:
        return read(state.output)
    except Misfit as misfit:
        path, why, more = misfit.path, misfit.why, misfit.more
    except Exception as error:  # noqa: BLE001  validators and constructors of the caller's types may raise anything
        let_pass(error, handled)
        path, why, more = "output", f"reading it raised {type(error).__name__}", 0
    others = f" (and {more} more)" if more else ""
    raise OutputTypeError(
        f'the output of job {state.id} on endpoint "{state.endpoint_id}" is not of type {name}: '
        f"{shorten(path)}: {why}{others}",
        endpoint_id=state.endpoint_id,
        job_id=state.id,
        state=state,
        path=path,
        raw=state.output,
    )


# pydantic: its own rules, as for JSON.


def _is_of_pydantic(kind: Any) -> bool:
    """Whether a type is, or holds, one that pydantic made. Where pydantic was never imported, none is."""
    if "pydantic" not in sys.modules:
        return False
    if isinstance(kind, type) and (hasattr(kind, "__pydantic_validator__") or kind.__module__.startswith("pydantic")):
        return True
    made_by = type(kind).__module__.partition(".")[0]  # what stands in Annotated[…]: Field(…), Gt(…)
    return made_by in ("pydantic", "annotated_types") or any(_is_of_pydantic(part) for part in get_args(kind))


def _by_pydantic(kind: Any) -> Callable[[Any], Any]:
    from pydantic import TypeAdapter, ValidationError
    from pydantic.errors import PydanticUserError

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(kind)
    except (PydanticUserError, NameError) as error:
        raise TypeError(f"output_type={name_of(kind)}: {first_line(error)}") from error

    def read(output: Any) -> Any:
        handled = sys.exception()
        try:
            # From JSON: a strict model takes a list for a tuple, and a string for a datetime, only there.
            return adapter.validate_json(json.dumps(output))
        except ValidationError as error:
            faults = error.errors(include_url=False, include_input=False)
            for fault in faults:
                own_error = fault.get("ctx", {}).get("error")
                if isinstance(own_error, Exception):
                    let_pass(own_error, handled)
        fault = faults[0]
        # The texts of a user's own validators may show the value.
        own = fault["type"] in ("value_error", "assertion_error")
        why = f"a validator raised {fault['type'].title().replace('_', '')}" if own else fault["msg"]
        raise Misfit(_walked(output, fault["loc"], missing=fault["type"] == "missing"), why, len(faults) - 1)

    return read


def _walked(output: Any, location: tuple[int | str, ...], *, missing: bool) -> str:
    """Return the path to a fault: pydantic also names the members of unions that it tried, which are no places."""
    path, here = "output", output
    for at, key in enumerate(location):
        is_last = at == len(location) - 1
        try:
            here = here[key]
        except (LookupError, TypeError):
            if missing and is_last:
                return step(path, key)
            continue
        path = step(path, key)
    return path
