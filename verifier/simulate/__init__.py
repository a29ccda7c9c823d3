"""Timelines in simulated time: four worlds of rising fidelity that must agree."""
