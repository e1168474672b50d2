"""A worker, as you would deploy it: it returns the prompt in upper case."""

import runpod


def handler(job):
    prompt = job["input"]["prompt"]
    if not prompt:
        raise ValueError("an empty prompt")
    return prompt.upper()


runpod.serverless.start({"handler": handler})
