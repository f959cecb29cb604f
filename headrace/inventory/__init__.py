"""The catalog: every table and feature with its meaning, owner, freshness, lineage and shape, from the declarations and the lake."""
