"""What all commands that call the service share: connection, error messages, exit codes."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ._shown import complain, one_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Generator

    from runpod_sdk import Client, Endpoint, RunpodError

FAILED, BAD_CALL, UNKNOWN, TIMED_OUT, INTERRUPTED, TERMINATED = 1, 2, 3, 124, 130, 143

_ENVIRONMENT = """\
environment:
  RUNPOD_API_KEY            the key
  RUNPOD_ENDPOINT_BASE_URL  another service, such as an emulator

exit codes:"""
# How a note of the SDK leads back to a job.
_HANDLE = re.compile(r'client\.endpoint\((?:url=)?"([^"]+)"\)\.job\("([\w-]+)"\)')
_BATCH = re.compile(r'client\.endpoint\((?:url=)?"([^"]+)"\)\.batches\.batch\("([\w-]+)"\)\.(state|results)\(\)')


class BadCallError(Exception):
    """The command line makes no sense, for this reason, in one line; nothing was sent."""


def epilog(codes: dict[int, str]) -> str:
    """Return the end of a command's help: its environment and its exit codes."""
    meant = {BAD_CALL: "bad arguments, or no key", INTERRUPTED: "Ctrl-C", **codes}
    return "\n".join([_ENVIRONMENT, *(f"  {code:<3}  {meant[code]}" for code in sorted(meant))])


def add_endpoint(parser: argparse.ArgumentParser) -> None:
    """Add the endpoint, and where it is."""
    parser.add_argument("endpoint", metavar="ENDPOINT", help="the endpoint's id, or its URL")
    add_service(parser)


def add_service(parser: argparse.ArgumentParser) -> None:
    """Add where the service is."""
    service = parser.add_argument_group("service")
    service.add_argument("--base-url", metavar="URL", help="the URL before /ENDPOINT, as in the variable below")
    service.add_argument("--allow-http", action="store_true", help="send the key over http to another machine")


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """Add one job or more."""
    parser.add_argument("jobs", nargs="+", metavar="JOB", help="a job's id")
    parser.set_defaults(more="jobs")


def calling(arguments: argparse.Namespace, act: Callable[[Endpoint], int]) -> int:
    """Do something with the endpoint that the arguments name; return its exit code, or that of its error."""
    from runpod_sdk.errors import RunpodError  # noqa: PLC0415  --help needs none of these

    with _sigterm_as_ctrl_c() as received, warnings.catch_warnings():
        # Who wraps an input in a shell, wraps it on purpose: the outer one is unwrapped in `_input.py`.
        warnings.filterwarnings("ignore", "the input holds an .input. of its own")
        try:
            with _client(arguments) as client:
                with checked():
                    endpoint = _endpoint(client, arguments)
                return act(endpoint)
        except BadCallError as error:
            complain(arguments.command, str(error))
            return BAD_CALL
        except RunpodError as error:
            return told(arguments, error)
        except KeyboardInterrupt as interruption:
            print("terminated" if received else "interrupted", file=sys.stderr)
            print(*notes_of(arguments, interruption), sep="", end="", file=sys.stderr)
            return TERMINATED if received else INTERRUPTED


def told(arguments: argparse.Namespace, error: RunpodError) -> int:
    """Say on standard error what went wrong, and return the exit code for it."""
    from runpod_sdk.errors import (  # noqa: PLC0415
        BatchTimeoutError,
        JobFailedError,
        SubmissionUnknownError,
        WaitTimeoutError,
    )

    complain(arguments.command, str(error))
    print(*notes_of(arguments, error), sep="", end="", file=sys.stderr)
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        print("A service with a certificate of your own: export SSL_CERT_FILE=… (PEM)", file=sys.stderr)
    if isinstance(error, JobFailedError) and error.worker_traceback:
        if getattr(arguments, "traceback", False):
            print("\n".join(one_line(line) for line in error.worker_traceback.splitlines()), file=sys.stderr)
        elif hasattr(arguments, "traceback"):
            where = f"runpod-sdk wait {shlex.quote(error.endpoint_id)} {error.job_id}{_service(arguments)}"
            print(f"The worker's traceback: {where} --traceback", file=sys.stderr)
    if isinstance(error, SubmissionUnknownError):
        return UNKNOWN
    return TIMED_OUT if isinstance(error, WaitTimeoutError | BatchTimeoutError) else FAILED


def notes_of(arguments: argparse.Namespace, error: BaseException) -> list[str]:
    """Return the notes on an error, in the words of a shell, each with its line end."""
    verb = "stream" if getattr(arguments, "stream", arguments.command == "stream") else "wait"

    def again(found: re.Match[str]) -> str:
        return f"runpod-sdk {verb} {shlex.quote(found[1])} {found[2]}{_service(arguments)}"

    def batch_again(found: re.Match[str]) -> str:
        verb, more = ("status", "") if found[3] == "state" else ("results", " --output FILE")
        return f"runpod-sdk batch {verb} {shlex.quote(found[1])} {found[2]}{more}{_service(arguments)}"

    notes = getattr(error, "__notes__", [])
    return [_HANDLE.sub(again, _BATCH.sub(batch_again, one_line(note))) + "\n" for note in notes]


def _service(arguments: argparse.Namespace) -> str:
    """Return the options by which the same service is reached again."""
    base_url = f" --base-url {shlex.quote(arguments.base_url)}" if arguments.base_url else ""
    return base_url + (" --allow-http" if arguments.allow_http else "")


def _client(arguments: argparse.Namespace) -> Client:
    from runpod_sdk import Client  # noqa: PLC0415  as above
    from runpod_sdk._values._service import KEY_VARIABLE  # noqa: PLC0415

    if not os.environ.get(KEY_VARIABLE, "").strip():
        raise BadCallError(f"no API key: export {KEY_VARIABLE}=…")
    try:
        return Client(base_url=arguments.base_url, allow_http=arguments.allow_http)
    except ValueError as error:
        raise BadCallError(str(error).replace("allow_http=True", "--allow-http")) from None


def _endpoint(client: Client, arguments: argparse.Namespace) -> Endpoint:
    if "://" not in arguments.endpoint:
        return client.endpoint(arguments.endpoint)
    if arguments.base_url:
        raise ValueError("ENDPOINT is a URL: leave --base-url out")
    return client.endpoint(url=arguments.endpoint)


@contextmanager
def checked() -> Generator[None]:
    """Take what the SDK says of bad arguments for what it is: the user's. It says so before any request."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise BadCallError(str(error).replace("allow_http=True", "--allow-http")) from error


@contextmanager
def _sigterm_as_ctrl_c() -> Generator[list[int]]:
    """Let SIGTERM end the command as Ctrl-C does; what is provided holds it, once it came."""
    received: list[int] = []

    def receive(number: int, _: object) -> None:
        received.append(number)
        raise KeyboardInterrupt

    before = None
    with suppress(ValueError):  # not in the main thread: nobody sends a signal there
        before = signal.signal(signal.SIGTERM, receive)
    try:
        yield received
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)
