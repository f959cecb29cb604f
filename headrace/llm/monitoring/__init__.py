"""Monitoring of an assistant: what readers were answered, what models took, whether questions moved, whether retrieval still holds."""
