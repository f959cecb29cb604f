"""Guardrails: what looks at a question, at the passages found for it, and at the answer, before any of them goes on."""
