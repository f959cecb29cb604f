"""What guardrails catch and what they stop for nothing, on sets that others have published: `make bench-guardrails`."""
