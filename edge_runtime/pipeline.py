"""The one path of a frame: source, preprocessor, network, postprocessor, result.

The live view, the service and the benchmark are users of it.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from edge_runtime.base.errors import InputError
from edge_runtime.frames.base import Frame, FrameSource
from edge_runtime.frames.newest import Newest
from edge_runtime.frames.select import open_source
from edge_runtime.model import demo
from edge_runtime.model.card import ModelCard
from edge_runtime.model.engines.onnxruntime import Network, open_network
from edge_runtime.model.golden import require_fit
from edge_runtime.model.preprocess import Preprocessor
from edge_runtime.postprocess.select import make
from edge_runtime.results.frame_result import FrameResult
from edge_runtime.settings.config import SourceConfig
from edge_runtime.settings.picamera_section import PicameraConfig

if TYPE_CHECKING:
    from edge_runtime.postprocess.base import Postprocessor


@dataclass(frozen=True)
class RunSettings:
    """What to run on what.

    Attributes:
        model: The network; None for the demo's own.
        source: Where the frames come from.
        picamera: How to set up the Pi's camera, if they come from there.
        card: A model card instead of the network's own.
        threads: Threads of one inference; all processors if None.
    """

    model: Path | None = None
    source: SourceConfig = SourceConfig()
    picamera: PicameraConfig = PicameraConfig()
    card: Path | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Model:
    """A network that is ready, and how it takes its frames."""

    network: Network
    card: ModelCard


class Pipeline:
    """Runs a network over the frames of a source; iterate once, then close.

    A live source is read on a thread of its own and only its newest frame is taken up, so a slow network
    drops frames and never queues them.

    Attributes:
        source: Where the frames come from; closed with the pipeline.
        network: What they run through.
        card: How.
    """

    def __init__(self, source: FrameSource, network: Network, card: ModelCard) -> None:
        """Put the parts together.

        Raises:
            InputError: The card does not fit the network.
            ModelRefusedError: The network takes no image.
        """
        require_fit(network, card)
        self.source = source
        self.network = network
        self.card = card
        self._preprocess = Preprocessor(card.input)
        self._postprocess: Postprocessor = make(card)
        self._newest: Newest | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[FrameResult]:
        """A result per frame taken up, until the source ends or the pipeline is closed.

        Raises:
            InputError: The source cannot be read, or the card does not fit the outputs.
            CameraError: The camera stopped.
            ModelRefusedError: The network cannot run.
        """
        for taken, frame in enumerate(self._frames()):
            yield self._process(frame, dropped=frame.sequence - taken)

    def close(self) -> None:
        """Stop reading and give back the source; safe to call twice."""
        if self._newest is not None:
            self._newest.close()
        self.source.close()

    def _frames(self) -> Iterator[Frame]:
        if not self.source.live:
            return iter(self.source)
        self._newest = Newest(self.source)
        return iter(self._newest)

    def _process(self, frame: Frame, dropped: int) -> FrameResult:
        start_ns = time.monotonic_ns()
        tensor = self._preprocess(frame.image)
        prepared_ns = time.monotonic_ns()
        outputs = self.network.run(tensor)
        inferred_ns = time.monotonic_ns()
        placement = self._preprocess.placement(frame.image)
        result = self._postprocess(outputs, placement, frame.image.shape[:2])
        finished_ns = time.monotonic_ns()
        return FrameResult(
            frame=frame,
            result=result,
            finished_ns=finished_ns,
            age_ms=(finished_ns - frame.captured_ns) / 1e6,
            latency_ms=(finished_ns - start_ns) / 1e6,
            preprocess_ms=(prepared_ns - start_ns) / 1e6,
            inference_ms=(inferred_ns - prepared_ns) / 1e6,
            postprocess_ms=(finished_ns - inferred_ns) / 1e6,
            dropped=dropped,
        )


def load_model(settings: RunSettings) -> Model:
    """Load the network and its card.

    Raises:
        InputError: One of them is missing or unreadable, or they do not fit.
        ModelRefusedError: onnxruntime refuses the network.
    """
    network = open_network(_path(settings), settings.threads)
    card = network.card(settings.card)
    require_fit(network, card)
    return Model(network, card)


def open_pipeline(settings: RunSettings, model: Model | None = None) -> Pipeline:
    """Open the source, once the network is ready, so that nothing is captured before it can be used.

    Args:
        settings: What to run on what.
        model: The network, if it is loaded already.

    Raises:
        InputError: The source is missing or unreadable, or as ``load_model`` raises it.
        ModelRefusedError: onnxruntime refuses the network.
        CameraError: The camera cannot be opened.
    """
    model = model or load_model(settings)
    source = open_source(settings.source, model.card.input, settings.picamera)
    try:
        return Pipeline(source, model.network, model.card)
    except BaseException:
        source.close()
        raise


def _path(settings: RunSettings) -> Path:
    if settings.model is not None:
        return settings.model
    if settings.source.location != "demo":
        raise InputError("no network to run: give one with --model (only '--source demo' brings its own)")
    return demo.path()
