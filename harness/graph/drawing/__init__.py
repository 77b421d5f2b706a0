"""Pictures of graphs: what belongs together becomes one box, what repeats is drawn once."""
