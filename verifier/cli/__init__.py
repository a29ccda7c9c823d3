"""What people type: one module a command, composed here and ended in one place."""
