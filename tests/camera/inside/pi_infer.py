"""``pi-infer`` on the virtual camera."""

import sys

import virtual_camera  # noqa: F401  before picamera2

from edge_runtime.cli import main

sys.exit(main())
