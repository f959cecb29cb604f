"""The lifecycle: one file, one function, one deployment per stage."""
