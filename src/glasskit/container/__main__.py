"""`python -m glasskit.container train | serve | batch | replay`."""

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
    if arguments == ["batch"]:
        from glasskit.container import layout
        from glasskit.container.batch import driver

        return driver.main(layout.current().base)
    if arguments == ["replay"]:
        from glasskit.container import replay

        return replay.main()
    sys.stderr.write("usage: python -m glasskit.container train | serve | batch | replay\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
