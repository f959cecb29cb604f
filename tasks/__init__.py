"""Reusable Prefect steps: thin shells around one library function each, with retries where disk or network is touched."""
