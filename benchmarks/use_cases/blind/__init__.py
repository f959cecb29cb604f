"""Scripts that somebody wrote by hand for each table, without having seen what `make use-case` makes of it: what it is measured against."""
