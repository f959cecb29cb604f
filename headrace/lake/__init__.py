"""The lakehouse: Delta tables in layers, written exactly once, promised by contracts."""
