"""The one path of a frame: source, preprocessor, network, postprocessor, result.

The live view, the service and the benchmark are users of it.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from edge_runtime.base.errors import InputError
from edge_runtime.frames.base import Frame, FrameSource, ReopeningSource
from edge_runtime.frames.newest import Newest
from edge_runtime.frames.select import open_source
from edge_runtime.inference import Model
from edge_runtime.results.frame_result import FrameResult
from edge_runtime.settings.config import SourceConfig
from edge_runtime.settings.picamera_section import PicameraConfig


class Pipeline:
    """Runs a model over the frames of a source, as they are asked for by iterating over it.

    A live source is read on a thread of its own and only its newest frame is taken up, so a slow network
    drops frames and never queues them. A loop that was left may be followed by another, which goes on with
    the frames that come then. To be closed in the end, or used as a context manager.

    Attributes:
        source: Where the frames come from; closed with the pipeline.
        idle: Called twice a second while a loop waits for a frame of a live source; to be set before the
            loop.
    """

    def __init__(self, source: FrameSource, model: Model) -> None:
        """Put the parts together.

        Args:
            source: Where the frames come from; closed with the pipeline.
            model: What they run through.

        Raises:
            InputError: The decoder of the model's card is malformed.
        """
        self.source = source
        self.model = model
        self.idle: Callable[[], None] = lambda: None
        self._newest: Newest | None = None
        self._over = False
        # One for all loops: a second one would read the source on a second thread, which nobody ends.
        self._results = self._run()

    @classmethod
    def open(
        cls, model: Model, source: str | Path | SourceConfig, picamera: PicameraConfig | None = None
    ) -> Self:
        """Open a source for a model: no frame is captured before there is something to run it.

        Args:
            model: What the frames run through.
            source: As ``--source`` takes it: a video, an image, a folder of images, ``/dev/videoN``, the URL
                of a stream, or ``demo`` for drawn scenes; or the section ``[source]`` of the settings, which
                may also name the Pi's camera.
            picamera: How to set up the Pi's camera, if the frames come from there.

        Raises:
            InputError: The source is missing or cannot be read, or the decoder of the model's card is
                malformed.
            CameraError: The camera cannot be opened.
        """
        section = source if isinstance(source, SourceConfig) else SourceConfig(location=str(source))
        model.prepare()
        return cls(open_source(section, model.card.input, picamera), model)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def model(self) -> Model:
        """What the frames run through; may be replaced between two frames, also from another thread."""
        return self._model

    @model.setter
    def model(self, model: Model) -> None:
        model.prepare()  # what is wrong with it shows here, and no frame waits for it
        self._model = model

    @property
    def reopening_s(self) -> float:
        """For how many seconds a source that stopped has been trying to be open again; 0 while it is open."""
        return self.source.reopening_s if isinstance(self.source, ReopeningSource) else 0.0

    def __iter__(self) -> Iterator[FrameResult]:
        """A result per frame taken up, until the source ends or the pipeline is closed.

        Raises:
            InputError: The pipeline is closed or its source has ended; while iterating: the source cannot be
                read, or the model's card does not fit the outputs.
            CameraError: The camera stopped.
            ModelRefusedError: The network cannot run.
        """
        if self._over:
            raise InputError("this pipeline is at its end: open another one to run more frames")
        return self._results

    def close(self) -> None:
        """Stop reading and give back the source; safe to call twice, and from another thread."""
        self._over = True
        if self._newest is not None:
            self._newest.close()
        self.source.close()

    def _run(self) -> Iterator[FrameResult]:
        try:
            for taken, frame in enumerate(self._frames()):
                # The source numbers its frames without gaps, so what is missing by now was overtaken.
                yield self._process(frame, dropped=frame.sequence - taken)
        finally:
            self._over = True

    def _frames(self) -> Iterator[Frame]:
        if not self.source.live:
            return iter(self.source)
        self._newest = Newest(self.source, self.idle)
        return iter(self._newest)

    def _process(self, frame: Frame, dropped: int) -> FrameResult:
        model = self._model  # one and the same for the whole frame
        start_ns = time.monotonic_ns()
        tensor = model.preprocess(frame.image)
        prepared_ns = time.monotonic_ns()
        outputs = model.network.run(tensor)
        inferred_ns = time.monotonic_ns()
        result = model.read(outputs, frame.image)
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
