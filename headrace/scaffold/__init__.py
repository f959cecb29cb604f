"""From a table to a use case: read it, find out what its columns are, choose windows and bars, write the files that a person would."""
