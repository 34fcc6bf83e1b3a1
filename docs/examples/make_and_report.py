"""Type a command into a running session, wait for its end and say how it went.

ptyd run -d --name work -- bash
python make_and_report.py work 'make test'
"""

import sys

from ptyc import Session


def main(target: str, command: str) -> int:
    session = Session(target)
    session.send(f"{command}; echo status=$?", keys="Enter")
    found = session.expect(r"^status=(\d+)$", timeout=600)
    print(found.before, end="")
    return int(found.match[1])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
