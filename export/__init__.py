"""The workstation side: reads a trained ONNX CNN, reduces it, checks it and writes ONNX."""

import os

# Read when numpy loads. With one thread the sums do not depend on the number of processors, so the same seed
# gives the same bytes on every machine of a kind; and where other programs run, threads that wait for each
# other make linear algebra several times slower, not faster.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
