"""A worker, as it is deployed: it shouts."""

import runpod


def handler(job):
    prompt = job["input"]["prompt"]
    if not prompt:
        raise ValueError("an empty prompt")
    return prompt.upper()


runpod.serverless.start({"handler": handler})
