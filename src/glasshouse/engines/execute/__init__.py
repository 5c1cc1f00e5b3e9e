"""Executors: where jobs run. `sandbox.SandboxExecutor` runs them on this machine, each isolated from all else.

Of the other modules, `keeper` is the program that stays with a job; `keeping`, `launching`, `hosts`,
`lines`, `bubblewrap`, `seccomp`, `limits`, `switch`, `plain` and `records` are its parts and import
next to nothing, since every job waits for them.
"""
