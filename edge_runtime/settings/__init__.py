"""Every setting, declared once; read from a file and from flags."""
