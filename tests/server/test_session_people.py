"""Who is here and whose turn it is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ptyd.session.people import LISTED, NAME_LENGTH, OWNER, ROLES, VIEW, People, clean_name

ACTIONS = st.lists(
    st.tuples(st.sampled_from(["join", "leave", "ask", "grant", "type"]), st.integers(0, 5)),
    max_size=40,
)


@given(ACTIONS, st.lists(st.sampled_from(ROLES), min_size=40, max_size=40))
def test_at_most_one_drives_and_never_a_viewer(
    actions: list[tuple[str, int]], roles: list[str]
) -> None:
    """Whatever is asked, granted and left: the driver is here, may type, and is alone in it."""
    people = People(one_driver=True)
    here: list[tuple[int, str]] = []
    for step, (what, which) in enumerate(actions):
        number, role = here[which % len(here)] if here else (0, "")
        if what == "join":
            here.append((people.join(roles[step], "").number, roles[step]))
        elif here and what == "leave":
            people.leave(number)
            here.remove((number, role))
        elif here and what == "ask":
            drives = people.ask(number)
            assert not drives or people.driver == number
            assert role != OWNER or drives
        elif here and what == "grant":
            by = here[0][0]
            people.grant(by, number)
        elif here and role != VIEW:
            people.may_type(number)

        able = [one for one, its in here if its != VIEW and people.may_type(one)]
        assert len(able) <= 1
        assert people.driver is None or (people.driver, VIEW) not in here
        assert people.driver is None or people.driver in [one for one, _ in here]


def test_who_asked_first_drives_when_the_driver_leaves() -> None:
    """Nobody has to grant what nobody holds."""
    people = People(one_driver=True)
    first, second, third = (people.join("control", name).number for name in ("a", "b", "c"))
    people.ask(third)
    people.ask(second)
    people.ask(third)
    people.leave(first)
    drove = people.driver
    people.leave(third)

    assert (drove, people.driver) == (third, second)


def test_who_comes_back_keeps_the_turn() -> None:
    """And its place among those who ask, whatever becomes of the connection that it had before."""
    people = People(one_driver=True)
    driver, asks, other = (people.join("control", "").number for _ in range(3))
    people.ask(asks)
    people.ask(other)
    again, asks_again = people.join("control", "").number, people.join("control", "").number
    people.succeed(driver, again)
    people.succeed(asks, asks_again)
    people.leave(driver)
    people.leave(asks)
    drove = people.driver
    people.leave(again)

    assert (drove, people.driver) == (again, asks_again)


def test_who_comes_back_to_watch_has_no_turn() -> None:
    """It is for the next."""
    people = People(one_driver=True)
    driver = people.join("control", "").number
    people.succeed(driver, people.join("view", "").number)
    people.leave(driver)

    assert people.driver is None


def test_without_turns_everybody_types() -> None:
    """Also who has just gone: its last words were typed before."""
    people = People(one_driver=False)
    person = people.join("control", "")
    people.leave(person.number)

    assert people.may_type(person.number)


@given(st.text(max_size=80))
def test_a_name_can_be_shown_anywhere(text: str) -> None:
    """Nothing in it drives a terminal or breaks a line."""
    name = clean_name(text)

    assert len(name) <= NAME_LENGTH
    assert name.isprintable()


def test_a_crowd_is_a_number() -> None:
    """The list is bounded, the count is not."""
    people = People(one_driver=False)
    for _ in range(LISTED + 50):
        people.join("view", "")
    told = people.describe()

    assert (len(told["clients"]), told["count"]) == (LISTED, LISTED + 50)
