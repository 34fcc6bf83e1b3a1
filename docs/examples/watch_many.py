"""Wait for the first of several sessions to show a pattern, and print its screen.

python watch_many.py 'Traceback|Error' work/1 work/2 https://host:7681/#t=…
"""

import asyncio
import sys

from ptyc import AsyncSession


async def wait_for(pattern: str, target: str) -> str:
    session = await AsyncSession.open(target, view=True)
    await session.expect(pattern, where="both", timeout=None)
    return f"{target}:\n{(await session.screen()).text.rstrip()}"


async def main(pattern: str, *targets: str) -> None:
    waiting = [asyncio.create_task(wait_for(pattern, target)) for target in targets]
    done, others = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in others:
        task.cancel()
    print(done.pop().result())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
