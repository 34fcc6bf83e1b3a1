"""Links: what one opens, and that it can be taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wire_client import Place, Refusal, WireClient

if TYPE_CHECKING:
    from ptyd_user import Ptyd


def test_a_withdrawn_link_opens_nothing_and_ends_who_came_by_it(ptyd: Ptyd) -> None:
    """4003 at the next heartbeat; the owner stays."""
    container = ptyd.start("cat")
    link = container.link()
    with container.attach(link) as guest, container.attach() as owner:
        assert ptyd("share", "--revoke", container.name).code == 0
        code, _ = guest.read_to_end(within=30)
        owner.type("mine\n")
        owner.read_until("mine\r\nmine\r\n")
    with pytest.raises(Refusal) as refused:
        WireClient(Place.of_link(link))

    assert code == 4003
    assert refused.value.status == 401
