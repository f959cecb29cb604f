"""One folder per use case: what a team fills in."""
