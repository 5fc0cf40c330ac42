"""What a reduction does unless told otherwise; light, so that ``pi-export reduce --help`` can show it."""

RULE = "error"
MAX_IMAGES = 500  # vgg19 at 4x lost no less with 500 than with 100
SANE_DROP_PERCENT = 10.0  # a network that has lost more is a wreck, whatever its speed
DROP_WITHOUT_TARGET_PERCENT = 1.0
SEED = 0
#: What a network may be delivered in, the default first.
PRECISIONS = ("float32", "int8", "float16")
#: Which engine alone runs a precision.
ENGINE_FOR = {"int8": "onnxruntime", "float16": "ncnn"}
#: The one of them that is the fastest where the network is timed.
FASTEST = "auto"
