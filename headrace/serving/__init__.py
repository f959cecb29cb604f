"""The model server: the champion behind HTTP, with every answer on disk before it is given."""
