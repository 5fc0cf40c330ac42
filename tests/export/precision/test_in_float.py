"""Which layers stay in float: those that int8 costs most, few of them, and of little work."""

from collections.abc import Collection

from export.precision.in_float import MOST_LAYERS, layers_in_float

LAYERS = tuple("abcdefghij")
WORK = dict.fromkeys(LAYERS, 1) | {"j": 100}


def chosen(costs: dict[str, float], work: dict[str, int] = WORK) -> tuple[str, ...]:
    """With errors that add up."""

    def error_with(kept: Collection[str]) -> float:
        return sum(cost for layer, cost in costs.items() if layer not in kept)

    return layers_in_float(LAYERS, work, error_with)


def test_the_layer_that_makes_most_of_the_error_is_left_in_float() -> None:
    assert chosen({"c": 0.05, "a": 0.004, "b": 0.004}) == ("c",)


def test_several_come_in_the_order_of_the_network() -> None:
    assert chosen({"d": 0.05, "b": 0.04}) == ("b", "d")


def test_none_where_int8_costs_nothing_that_one_would_see() -> None:
    assert chosen({"c": 0.009}) == ()


def test_none_where_no_layer_stands_out() -> None:
    assert chosen(dict.fromkeys(LAYERS[:-1], 0.01) | {"j": 1.0}) == ()


def test_a_layer_that_is_much_of_the_work_is_in_int8_whatever_it_costs() -> None:
    assert chosen({"j": 0.5, "a": 0.3}) == ("a",)


def test_all_of_them_together_are_little_of_the_work() -> None:
    work = dict.fromkeys(LAYERS, 10)
    assert len(chosen({layer: 0.1 / 2**number for number, layer in enumerate(LAYERS)}, work)) == 1


def test_no_more_than_a_few() -> None:
    layers = tuple(f"l{number}" for number in range(40))
    costs = {layer: 4.0**-number for number, layer in enumerate(layers)}

    def error_with(kept: Collection[str]) -> float:
        return sum(cost for layer, cost in costs.items() if layer not in kept)

    assert len(layers_in_float(layers, dict.fromkeys(layers, 0), error_with)) <= MOST_LAYERS
