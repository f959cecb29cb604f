"""Monitoring: what became of predictions and inputs, as rows; and the policy that reads them."""
