"""Reports as text: JSON, terminal, log line and web page. Pure functions of the envelope."""
