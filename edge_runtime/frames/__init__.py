"""Sources of frames: files, folders, cameras and a generated demo, behind one protocol."""
