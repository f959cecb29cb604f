"""The LLM spine: documents to an index, questions to cited answers, all of it on the rails of the tables."""
