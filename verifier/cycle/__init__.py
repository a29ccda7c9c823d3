"""The system under test: the files that production installs, and what drives them."""
