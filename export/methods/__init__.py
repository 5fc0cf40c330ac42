"""The ways to replace a layer, one file each behind the protocol in ``base``."""
