"""Nodes that tell each other what passed, over a network that loses, repeats and delays."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from policies import rate_exchange
from policies.rate_exchange import RateExchange

NODES, KEY, WINDOW = 3, 7, 5


class Node:
    """One node: what it let pass, and what it last heard of the others."""

    def __init__(self) -> None:
        self.own = 0
        self.heard = 0
        self.dead = False

    def ask(self, limit: int) -> bool:
        allowed = self.own + self.heard < limit
        self.own += allowed
        return allowed


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "ask", "send", "deliver", "answer", "repeat", "die"]),
        st.integers(0, NODES - 1),
    ),
    max_size=150,
)


@settings(max_examples=300)
@given(limit=st.integers(1, 12), steps=STEPS)
def test_the_overshoot_is_what_the_others_let_pass_unheard(limit, steps):
    exchange, nodes = RateExchange(), [Node() for _ in range(NODES)]
    reports: list[list[int]] = [[] for _ in range(NODES)]
    answers: list[list[int]] = [[] for _ in range(NODES)]
    unheard_worst = 0
    for step, number in steps:
        node = nodes[number]
        if step == "die":
            node.dead = True
        elif step == "ask" and not node.dead:
            unheard = sum(other.own for other in nodes if other is not node) - node.heard
            if node.ask(limit):
                unheard_worst = max(unheard_worst, unheard)
        elif step == "send" and not node.dead:
            reports[number].append(node.own)
        elif step in {"deliver", "repeat"} and reports[number]:
            total = reports[number][0] if step == "repeat" else reports[number].pop(0)
            said = exchange.report(f"n{number}", f"p{number}", WINDOW, {KEY: total})
            answers[number].append(said.get(KEY, 0))
        elif step == "answer" and answers[number]:
            # An answer that arrives late says less than what was heard meanwhile.
            node.heard = max(node.heard, answers[number].pop())

    passed = sum(node.own for node in nodes)
    assert passed <= limit + unheard_worst
    assert passed <= limit * NODES


@given(
    reports=st.lists(
        st.tuples(
            st.sampled_from(["n1", "n2", "n3"]),
            st.integers(0, 3),
            st.integers(1, 3),
            st.dictionaries(st.integers(0, 3), st.integers(0, 9)),
        ),
        max_size=40,
    )
)
def test_an_answer_is_the_sum_of_the_other_nodes_highest_totals(reports):
    exchange = RateExchange()
    model: dict[int, dict[tuple[str, int], dict[int, int]]] = {}
    for node, process, window, totals in reports:
        answer = exchange.report(node, f"{node}/{process}", window, totals)
        if window not in model:
            if len(model) == 2 and window < min(model):
                assert answer == {}
                continue
            if len(model) == 2:
                del model[min(model)]
            model[window] = {}
        own = model[window].setdefault((node, process), {})
        for key, total in totals.items():
            own[key] = max(total, own.get(key, 0))
        expected: dict[int, int] = {}
        for (elsewhere, _), counts in model[window].items():
            for key, total in counts.items():
                if elsewhere != node and key in own:
                    expected[key] = expected.get(key, 0) + total
        assert answer == expected
        assert exchange.nodes(window) == len({name for name, _ in model[window]})


def test_memory_is_bounded_in_windows_processes_and_keys(monkeypatch):
    monkeypatch.setattr(rate_exchange, "_PROCESSES_MAX", 3)
    monkeypatch.setattr(rate_exchange, "KEYS_MAX", 5)
    exchange = RateExchange()
    for window in range(20):
        for process in range(10):
            exchange.report("n", str(process), window, dict.fromkeys(range(50), 1))

    assert len(exchange._windows) == 2
    for processes in exchange._windows.values():
        assert len(processes) == 3
        assert all(len(totals) == 5 for _, totals in processes.values())
