"""Registered versions and what is decided about them: registration, history, compliance, comparison, promotion."""
