"""What runs inside a job's sandbox: `python -m glasskit.container train` and `... serve`.

It takes the place of SageMaker's framework and algorithm images. Nothing here is imported by the platform, which
only starts it; nothing here imports more than it needs, because a job waits for it.
"""
