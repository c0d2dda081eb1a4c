"""Config-driven experiments and ablations on image classifiers."""
