"""Features: declared views over silver, point-in-time correct, the same code for training, batch and online."""
