"""Headrace: the Big Book of MLOps as open source. The library: every idea of the product, none of the orchestration."""
