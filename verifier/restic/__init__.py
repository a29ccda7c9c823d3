"""How to ask the restic program and how to read its answer: pure pairs, run by a Host."""
