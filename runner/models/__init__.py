"""Networks, one family a file.

Each is called with the shape of one image (channels, height, width), the number of classes and what makes an
activation. It takes float images [batch, channels, height, width] and gives logits [batch, classes].
"""

from collections.abc import Callable

from torch import nn

from runner.models.dense import logistic, mlp, softmax
from runner.models.googlenet import googlenet
from runner.models.inception import inception_mini
from runner.models.inception_v3 import inception_v3
from runner.models.mobilenet import mobilenet_mini
from runner.models.resnet import resnet18, resnet_mini
from runner.models.vgg import convnet, vgg16, vgg_mini

MODELS: dict[str, Callable[..., nn.Module]] = {
    "logistic": logistic,
    "softmax": softmax,
    "mlp": mlp,
    "convnet": convnet,
    "vgg_mini": vgg_mini,
    "resnet_mini": resnet_mini,
    "inception_mini": inception_mini,
    "mobilenet_mini": mobilenet_mini,
    "vgg16": vgg16,
    "resnet18": resnet18,
    "googlenet": googlenet,
    "inception_v3": inception_v3,
}
