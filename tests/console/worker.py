"""A worker that says a text word by word, for the console's test: emulate runs it as it is."""

import time

import runpod


def handler(job):
    words = job["input"]["prompt"].split()
    print(f"{len(words)} words to say")
    for word in words:
        time.sleep(job["input"].get("pace", 0.01))
        yield f"{word.upper()} "


runpod.serverless.start({"handler": handler, "return_aggregate_stream": True})
