"""`python -m glasskit.container train | serve`."""

from __future__ import annotations

import sys


def main(arguments: list[str]) -> int:
    """The exit status of the command. Each command's code is loaded only when it is asked for."""
    if arguments == ["train"]:
        from glasskit.container import train

        return train.main()
    if arguments == ["serve"]:
        from glasskit.container import serve

        return serve.main()
    sys.stderr.write("usage: python -m glasskit.container train | serve\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
