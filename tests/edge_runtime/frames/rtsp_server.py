"""``rtsp_server.py PORT WIDTH HEIGHT PATTERN``: GStreamer's RTSP server on loopback, at /camera.

Prints the port, which it chooses itself where 0 is asked for.
Runs under the system's Python, which has GStreamer's bindings (gir1.2-gst-rtsp-server-1.0).
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

port, width, height, pattern = sys.argv[1:]
Gst.init(None)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_shared(True)
factory.set_launch(
    f"( videotestsrc is-live=true pattern={pattern} "
    f"! video/x-raw,format=I420,width={width},height={height},framerate=30/1 "
    "! jpegenc ! rtpjpegpay name=pay0 pt=26 )"
)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(port)
server.get_mount_points().add_factory("/camera", factory)
if server.attach(None) == 0:
    sys.exit(f"port {port} is in use")
print(server.get_bound_port(), flush=True)  # noqa: T201
GLib.MainLoop().run()
