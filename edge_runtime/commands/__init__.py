"""The commands of ``pi-infer``, one file each."""
