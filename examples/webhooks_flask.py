"""Receive the service's webhooks with Flask: check the token, ask the service, record each end once.

    pip install flask
    ENDPOINT_ID=abc123 WEBHOOK_TOKEN=… flask --app examples/webhooks_flask.py run
    job = endpoint.run({"prompt": "Hello"}, webhook=f"https://me.example/runpod?token={token}")

Do not log the query string of this path: it contains the token.
"""

import os

from flask import Flask, abort, jsonify, request

from runpod_sdk import Client, JobExpiredError, NotFoundError, RunpodError, webhooks

app = Flask(__name__)
endpoint = Client().endpoint(os.environ["ENDPOINT_ID"])  # for all threads; each process opens its own connections
ended: dict[str, dict[str, object]] = {}  # a database, where there is more than one process


@app.post("/runpod")
def take():
    if not webhooks.is_token(request.args.get("token"), os.environ["WEBHOOK_TOKEN"]):
        abort(403)
    try:
        told = webhooks.parse(request.get_data())
    except ValueError as error:
        abort(400, str(error))
    try:
        # Anyone could have posted this: ask the service itself.
        state = endpoint.job(told.id).state()
    except (NotFoundError, JobExpiredError):
        abort(400, "there is no such job")
    except RunpodError:
        abort(503)  # the service comes again
    if state.is_final:
        ended.setdefault(state.id, {"status": state.status, "output": state.output})  # it may be told more than once
    return "", 200


@app.get("/ended")
def show():
    return jsonify(ended)
