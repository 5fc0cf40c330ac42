"""Time as a cost: what convolutions of each shape take on a machine, from a table of measurements.

Within a family (kernel, stride, dilation, groups, size of the output) time depends on the numbers of channels
alone. It was measured on a grid of those and is interpolated between its lines: within a cell by a constant,
a share of each number and one of their product, as multiply-adds go. Kernels take channels in packs, and are
slower where a number of channels fills none: by how much was measured between two lines, for either number.
"""

import bisect
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Self

from edge_runtime.base.errors import InputError
from export.layer import ConvolutionShape, Costed

FORMAT = 2
LONGEST_NS = 1e18  # thirty years
DEPTHWISE = 0  # in place of a number of groups
PACK = 16  # channels; kernels of AVX-512 take so many at once, others fewer

Family = tuple[tuple[int, int], tuple[int, int], tuple[int, int], int, tuple[int, int]]


def family_of(shape: ConvolutionShape) -> Family:
    """What of a shape is not a number of channels; of a depthwise convolution the groups are."""
    group = DEPTHWISE if is_depthwise(shape) else shape.group
    return shape.kernel, shape.stride, shape.dilation, group, shape.output_size


def is_depthwise(shape: ConvolutionShape) -> bool:
    """Whether each filter reads one channel of its own."""
    return 1 < shape.group == shape.in_channels == shape.out_channels


def _channels(shape: ConvolutionShape) -> tuple[int, int]:
    """Channels that a filter reads, as far as they vary within the family, and filters."""
    return 1 if is_depthwise(shape) else shape.in_channels, shape.out_channels


@dataclass(frozen=True)
class Point:
    """One measurement.

    Attributes:
        shape: The convolution.
        ns: How long it takes, in nanoseconds: the median over the rounds.
        spread: Slowest round less the fastest, over the median.
    """

    shape: ConvolutionShape
    ns: float
    spread: float


@dataclass(frozen=True)
class LatencyTable:
    """What convolutions take on a machine under an engine.

    Attributes:
        engine: What ran them.
        threads: Threads within one inference.
        machine: Where, and with which versions.
        source_sha256: Of the network whose layers were measured.
        network_ns: What the whole network takes as it is, in float32, in nanoseconds.
        points: The measurements on the grid of each family.
        between: Those between its lines, at odd multiples of half a pack.
        precision: What the convolutions computed in: ``float32``, ``int8`` or ``float16``.
        whole_ns: What the whole network takes in that precision; as ``network_ns`` if 0.
    """

    engine: str
    threads: int
    machine: Mapping[str, Any]
    source_sha256: str
    network_ns: float
    points: tuple[Point, ...]
    between: tuple[Point, ...] = ()
    precision: str = "float32"
    whole_ns: float = 0.0

    @property
    def gain(self) -> float:
        """How many times faster the whole network is in the table's precision, nothing reduced."""
        return self.network_ns / (self.whole_ns or self.network_ns) if self.network_ns else 1.0

    def covers(self, shape: ConvolutionShape) -> bool:
        """Whether convolutions of this family were measured."""
        return family_of(shape) in self.grids

    def nanoseconds(self, shape: ConvolutionShape) -> float:
        """How long a convolution takes, in nanoseconds.

        Raises:
            InputError: None of its family was measured.
        """
        grid = self.grids.get(family_of(shape))
        if grid is None:
            raise InputError(
                f"the cost table has no convolution like {shape.kernel[0]}x{shape.kernel[1]} on "
                f"{shape.output_size[0]}x{shape.output_size[1]}: it is of another network; profile this one"
            )
        return grid.at(*_channels(shape))

    def total(self, operators: Sequence[Costed]) -> float:
        """How long those of some operators take that were measured; all others are in ``rest_ns``."""
        return sum(
            self.nanoseconds(each)
            for each in operators
            if isinstance(each, ConvolutionShape) and self.covers(each)
        )

    def rest_ns(self, layers: Sequence[ConvolutionShape]) -> float:
        """What of the network's time is not its layers': it stays, whatever becomes of these."""
        return max(0.0, (self.whole_ns or self.network_ns) - self.total(layers))

    @cached_property
    def grids(self) -> Mapping[Family, "_Grid"]:
        """The measurements by family."""
        values: dict[Family, dict[tuple[int, int], float]] = {}
        for point in self.points:
            values.setdefault(family_of(point.shape), {})[_channels(point.shape)] = point.ns
        grids = {family: _Grid.of(own) for family, own in values.items()}
        for point in self.between:
            grids[family_of(point.shape)].learn(point)
        return grids

    def require_sound(self) -> None:
        """Raise an error of Python's own where it is of no use: without times, or with one that is none."""
        points = (*self.points, *self.between)
        if not self.points or not all(0 <= whole < LONGEST_NS for whole in (self.network_ns, self.whole_ns)):
            raise ValueError("no times")
        if not all(0 < point.ns < LONGEST_NS for point in points):
            raise ValueError("a convolution that takes no time")
        if not isinstance(self.machine, dict):
            raise TypeError("no machine")
        _require_counts([self.threads, *(number for point in points for number in _numbers(point.shape))])
        if not self.grids:
            raise ValueError("no measurements")

    def to_json(self) -> str:
        """The table as ``from_json`` reads it."""
        document = {
            "format": FORMAT,
            "engine": self.engine,
            "threads": self.threads,
            "machine": dict(self.machine),
            "source_sha256": self.source_sha256,
            "network_ns": self.network_ns,
            "precision": self.precision,
            "whole_ns": self.whole_ns,
            "points": [_document(point) for point in self.points],
            "between": [_document(point) for point in self.between],
        }
        return json.dumps(document, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str) -> Self:
        """Read what ``to_json`` wrote.

        Args:
            text: The table.
            where: What to call it in messages.

        Raises:
            InputError: It is no cost table, or one of another release.
        """
        try:
            document = json.loads(text)
            if document.pop("format") != FORMAT:
                raise InputError(f"{where} is a cost table of another release: profile again")
            for key in ("points", "between"):
                document[key] = tuple(map(_point, document[key]))
            table = cls(**document)
            table.require_sound()
            if table.precision not in ("float32", "int8", "float16"):
                raise InputError(f"{where} is of the precision {table.precision!r}, which there is not")
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise InputError(f"{where} is not a cost table as 'pi-export profile' writes it") from error
        return table


def _numbers(shape: ConvolutionShape) -> list[Any]:
    """What of a shape time depends on."""
    pairs = (shape.kernel, shape.stride, shape.dilation, shape.output_size)
    sides = [side for height, width in pairs for side in (height, width)]
    return [shape.in_channels, shape.out_channels, shape.group, *sides]


def _require_counts(numbers: Iterable[Any]) -> None:
    if not all(type(number) is int and number > 0 for number in numbers):
        raise ValueError("not all are whole numbers above 0")


def _document(point: Point) -> dict[str, Any]:
    return {**asdict(point.shape), "ns": point.ns, "spread": point.spread}


def _point(fields: dict[str, Any]) -> Point:
    ns, spread = fields.pop("ns"), fields.pop("spread")
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()
    }
    return Point(ConvolutionShape(**values), ns, spread)


@dataclass
class _Grid:
    """Times of one family on the lines of a grid, and how much longer what fills no pack takes."""

    inputs: list[int]
    outputs: list[int]
    values: Mapping[tuple[int, int], float]
    inputs_factor: float = 1.0
    outputs_factor: float = 1.0

    @classmethod
    def of(cls, values: Mapping[tuple[int, int], float]) -> Self:
        inputs, outputs = (sorted({key[axis] for key in values}) for axis in (0, 1))
        if len(values) != len(inputs) * len(outputs):
            raise InputError("the cost table lacks measurements: the profile was interrupted; run it again")
        return cls(inputs, outputs, values)

    def learn(self, point: Point) -> None:
        """Take in a measurement between two lines."""
        shape = point.shape
        factor = max(1.0, point.ns / self._on_plane(shape.in_channels, shape.out_channels))
        if _fills_no_pack(shape.in_channels):
            self.inputs_factor = factor
        else:
            self.outputs_factor = factor

    def at(self, inputs: int, outputs: int) -> float:
        """Nanoseconds for some numbers of channels."""
        time = self._on_plane(inputs, outputs)
        if _fills_no_pack(inputs) and inputs not in self.inputs:
            time *= self.inputs_factor
        if _fills_no_pack(outputs) and outputs not in self.outputs:
            time *= self.outputs_factor
        return time

    def _on_plane(self, inputs: int, outputs: int) -> float:
        (a, b, t), (c, d, u) = _cell(self.inputs, inputs), _cell(self.outputs, outputs)
        lower = (1 - u) * self.values[a, c] + u * self.values[a, d]
        upper = (1 - u) * self.values[b, c] + u * self.values[b, d]
        # Beyond the outermost lines the plane goes on, but no convolution takes less than no time.
        return max((1 - t) * lower + t * upper, min(self.values.values()) / 2)


def _fills_no_pack(channels: int) -> bool:
    return channels > PACK and channels % PACK != 0


def _cell(lines: Sequence[int], at: int) -> tuple[int, int, float]:
    """The two lines around a number, or next to it, and how far it lies from the first to the second."""
    if len(lines) == 1:
        return lines[0], lines[0], 0.0
    second = min(max(bisect.bisect_left(lines, at), 1), len(lines) - 1)
    low, high = lines[second - 1], lines[second]
    return low, high, (at - low) / (high - low)
