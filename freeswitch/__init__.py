"""What belongs to the switch: drop-in configuration, prompts, and the simulator that stands in for a real one."""
