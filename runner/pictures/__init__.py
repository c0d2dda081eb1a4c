"""What a run looks like: numpy arrays in, one PNG file out.

Figures are made without pyplot, so that nothing global is touched and a thread may draw. Matplotlib is
imported when the first one is drawn.
"""

from runner.pictures.classes import confusion, per_class
from runner.pictures.curves import curves
from runner.pictures.images import augmented, misclassified
from runner.pictures.layers import Activations, layers

__all__ = ["Activations", "augmented", "confusion", "curves", "layers", "misclassified", "per_class"]
