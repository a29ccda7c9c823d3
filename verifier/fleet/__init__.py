"""Where commands run: processes of this machine, containers, hosts behind ssh."""
