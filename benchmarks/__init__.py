"""Claims about speed and memory, as commands that measure peer and product in one run."""
