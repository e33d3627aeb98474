"""LoRA training of a served model on one machine, in a process of its own."""
