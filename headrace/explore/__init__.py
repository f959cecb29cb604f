"""Explore: what a data scientist looks at before and beside the rails. Tables are read, measured and drawn; nothing is written to a lake."""
