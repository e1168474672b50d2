"""Added to sys.path when a worker file imports `runpod` and the official package is not installed.

What lies in it has the names and signatures of runpod-python 1.12.0 that worker files commonly use; anything else
raises an error that names it.
"""
