"""A tokenizer that needs no file, and prose in languages."""

GERMAN = (
    "Der Mühlgraben führt das Wasser zur Mühle. Er folgt dem Hang, damit das Wasser auf dem Weg dorthin möglichst wenig von seiner Höhe verliert."
)


class Words:
    """Counts words."""

    version = "words@0123456789ab"

    def count(self, texts):
        return [len(text.split()) for text in texts]
