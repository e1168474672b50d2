"""A worker that yields the words of a prompt one by one, as a language model would. Deploy it unchanged, or emulate it:

runpod-sdk emulate examples/worker.py --endpoint abc123
"""

import time

import runpod


def handler(job):
    prompt = job["input"]["prompt"]
    pause = job["input"].get("pause", 0)
    for number, word in enumerate(prompt.split(), 1):
        runpod.serverless.progress_update(job, {"words": number})
        yield word + " "
        time.sleep(pause)


runpod.serverless.start({"handler": handler, "return_aggregate_stream": True})
