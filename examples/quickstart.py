"""Run one job and wait for it, and stream another. RUNPOD_API_KEY is the key; the argument is the endpoint.

python examples/quickstart.py abc123 "Tell me about whales"
"""

import sys

from runpod_sdk import Client, JobFailedError, SubmissionUnknownError, WaitTimeoutError


def main() -> int:
    endpoint_id, prompt = sys.argv[1:3]
    with Client() as client:
        endpoint = client.endpoint(endpoint_id)
        try:
            print(endpoint.run_sync({"prompt": prompt}, timeout=120))

            with endpoint.stream({"prompt": prompt}, timeout=120) as stream:
                for chunk in stream:
                    print(chunk, end="", flush=True)
            print()
        except JobFailedError as error:
            print(error, error.worker_traceback, sep="\n", file=sys.stderr)
            return 1
        except WaitTimeoutError as error:
            print(error, *error.__notes__, sep="\n", file=sys.stderr)
            return 1
        except SubmissionUnknownError as error:
            print(f"look for a job of {error.submitted_at:%H:%M:%S}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
