"""Files of SQLite: opened, recognised, brought up to date; its complaints in our words."""
