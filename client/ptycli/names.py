"""Two-word names for containers that are not given one."""

from __future__ import annotations

import random

_FIRST = (
    "able amber ample apt awake bold brave brief bright brisk broad calm candid careful cheerful "
    "civil clear clever cosy crisp curious dapper daring deft eager earnest easy even exact fair "
    "fast fine firm fond frank free fresh gentle glad golden good grand green handy happy hardy "
    "hearty honest humble jolly just keen kind large light lively loyal lucid lucky mellow merry "
    "mighty mild neat nimble noble patient plain polite proud quick quiet rapid ready rosy sharp "
    "silent silver sleek smart smooth snug solid spry steady strong subtle sunny swift tidy true "
    "vivid warm wise witty zesty"
).split()
_SECOND = (
    "adder badger bear beaver bee bison bobcat boar buzzard camel carp cat condor crane cricket "
    "crow deer dingo dove dragonfly duck eagle eel egret elk emu falcon ferret finch fox gazelle "
    "gecko gibbon goose grouse gull hare hawk hedgehog heron hornet ibex ibis jackal jay kestrel "
    "kite kiwi koala lark lemur leopard lion lizard lynx magpie marmot marten mole moose moth "
    "mouse newt orca osprey otter owl ox panda parrot pelican penguin pike plover puffin quail "
    "rabbit raven robin salmon seal shrew skylark sparrow squid stoat stork swallow swan swift "
    "tapir tern thrush tiger toad trout vole walrus wasp weasel whale wolf wombat wren yak zebra"
).split()


def random_name() -> str:
    """Return a name such as brave_otter."""
    return f"{random.choice(_FIRST)}_{random.choice(_SECOND)}"  # noqa: S311 - a name is no secret
