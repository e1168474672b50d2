"""`emulate --test-inputs`: runs the tests in a worker's repository, and reports each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runpod_sdk.cli._session import BadCallError

if TYPE_CHECKING:
    import argparse

    from runpod_sdk.emulator import EmulatedEndpoint, Server
    from runpod_sdk.emulator._workers._worker_tests import WorkerTest


def tests_of(endpoint: EmulatedEndpoint) -> list[WorkerTest]:
    """Return the tests of what runs an endpoint's jobs.

    Raises:
        BadCallError: there are none, or they cannot be read.
    """
    from runpod_sdk.emulator._workers._programs import program_of  # noqa: PLC0415  --help needs none of these
    from runpod_sdk.emulator._workers._worker_tests import WorkerTestError, folders_above, worker_tests  # noqa: PLC0415

    scripts = [word for word in endpoint.command or [] if word.endswith(".py") and Path(word).is_file()]
    program = endpoint.program or (program_of(scripts[0]) if scripts else None)
    try:
        return worker_tests([Path.cwd()] if program is None else folders_above(program, Path.cwd()))
    except WorkerTestError as error:
        raise BadCallError(f"--test-inputs: {error}") from None


def run_tests(arguments: argparse.Namespace, server: Server, endpoints: list[EmulatedEndpoint], out: Any) -> int:
    """Run the tests of each endpoint, and print how they ended; 0: all as they must."""
    from runpod_sdk import Client  # noqa: PLC0415  as above

    wanted = [(endpoint, test) for endpoint in endpoints for test in tests_of(endpoint)]
    ends: list[dict[str, Any]] = []
    with Client(**server.connection) as client:
        for endpoint, test in wanted:
            state = client.endpoint(endpoint.id).run(test.input, execution_timeout=test.execution_timeout).wait()
            problem = test.problem(state.status, state.output)
            seconds = (state.execution_time_ms or 0) / 1000
            facts = {"endpoint": endpoint.id, "name": test.name, "file": str(test.file), "status": str(state.status)}
            ends.append({**facts, "seconds": seconds, "output": state.output, "problem": problem})
            if not arguments.json:
                verdict = "ok" if problem is None else "FAILED"
                print(f"{verdict:6} {test.name}: {seconds:.3f} s{'' if problem is None else f', {problem}'}", file=out)
    failed = sum(end["problem"] is not None for end in ends)
    if arguments.json:
        print(json.dumps({"tests": ends, "failed": failed}), file=out, flush=True)
    else:
        print(f"{len(ends) - failed} of {len(ends)} as expected", file=out, flush=True)
    return 1 if failed else 0
