"""Augmentations: batches of images on the device, changed by draws that depend on their keys alone.

Each takes float images [runs, batch, channels, height, width] on the 0..255 scale, and what draws for them (see
`draws.Draw`), and returns the like; what mixes images, and with them their labels, returns a `Blend`. The draws
are an image's own; the options are numbers, or tensors [runs, 1, 1, 1, 1] where runs that are trained together
differ in them. Document 002's augmentations are the notebooks' own: TensorFlow's definitions, with no clipping
afterwards.
"""

from runner.augment.blend import Blend, cutmix, mixup, partners
from runner.augment.cutout import cutout
from runner.augment.photometric import brightness, contrast, none, photometric
from runner.augment.randaugment import randaugment
from runner.augment.window import crop_flip, flip, translate

__all__ = ["AUGMENTATIONS", "Blend", "partners"]

AUGMENTATIONS = {
    "none": none,
    "flip": flip,
    "brightness": brightness,
    "contrast": contrast,
    "photometric": photometric,
    "crop_flip": crop_flip,
    "translate": translate,
    "cutout": cutout,
    "mixup": mixup,
    "cutmix": cutmix,
    "randaugment": randaugment,
}
