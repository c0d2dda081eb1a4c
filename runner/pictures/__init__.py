"""What a run looks like: numpy arrays in, one SVG file out."""

from runner.pictures.classes import confusion, per_class
from runner.pictures.curves import curves
from runner.pictures.images import augmented, misclassified
from runner.pictures.inside import feature_maps, filters, grad_cam
from runner.pictures.layers import Activations, layers

__all__ = [
    "Activations",
    "augmented",
    "confusion",
    "curves",
    "feature_maps",
    "filters",
    "grad_cam",
    "layers",
    "misclassified",
    "per_class",
]
