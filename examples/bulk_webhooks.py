"""A bulk run whose unknown submits are resolved by webhooks: each webhook's URL has the key of its input.

    WEBHOOK_TOKEN=… python examples/bulk_webhooks.py abc123 run.sqlite https://me.example/runpod 8080

The last two: what the service POSTs to, and the port of this machine that it ends up at. After any interruption, run it
again.
"""

import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

from runpod_sdk import Client, Journal, JournalError, webhooks

TOKEN = os.environ["WEBHOOK_TOKEN"]  # without it, anyone could post results


def receiver(journal: Journal, port: int) -> ThreadingHTTPServer:
    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(self.taken())
            self.end_headers()

        def taken(self) -> int:
            query = parse_qs(urlsplit(self.path).query)
            if not webhooks.is_token(query.get("token", [""])[0], TOKEN):
                return 403
            try:
                journal.resolve(query["key"][0], self.rfile.read(int(self.headers["Content-Length"])))
            except (KeyError, ValueError):
                return 400
            except JournalError:
                return 503  # the service comes again
            return 200

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the parent's name
            pass  # the token stands in the URL

    return ThreadingHTTPServer(("", port), Receiver)


def main(endpoint_id: str, path: str, url: str, port: str) -> None:
    journal = Journal(path)
    inputs = {f"prompt-{n}": {"prompt": f"picture number {n}"} for n in range(20)}
    with receiver(journal, int(port)) as server, Client() as client:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        results = client.endpoint(endpoint_id).map(
            inputs,
            journal=journal,
            input_options=lambda key, _: {"webhook": f"{url}?{urlencode({'key': key, 'token': TOKEN})}"},
        )
        for result in results:
            print(result.key, result.output if result.is_success else result.error)
        print(journal.counts())
        if journal.unknowns():
            input("Press Enter when the webhooks have come: ")
        server.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
