"""Serve the tiny assistant in this process: `python -m tests.serving.run_tiny_assistant <home> <settings as JSON>`."""

from tests.serving.run_tiny import run
from tests.serving.tiny_assistant import ASSISTANT, load_chain

if __name__ == "__main__":
    run(ASSISTANT, load=load_chain)
