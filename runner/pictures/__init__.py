"""What a run looks like: numpy arrays in, one SVG file out."""

from runner.pictures.classes import confusion, per_class
from runner.pictures.curves import curves
from runner.pictures.images import augmented, misclassified
from runner.pictures.layers import Activations, layers

__all__ = ["Activations", "augmented", "confusion", "curves", "layers", "misclassified", "per_class"]
