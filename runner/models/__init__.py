"""Networks, one family a file.

Each is called with the shape of one image (channels, height, width), the number of classes and what makes an
activation. It takes float images [batch, channels, height, width] and gives logits [batch, classes].
"""

from collections.abc import Callable

from torch import nn

from runner.models.alexnet import alexnet, alexnet_half, alexnet_table
from runner.models.dense import logistic, mlp, softmax
from runner.models.googlenet import googlenet
from runner.models.inception import inception_mini
from runner.models.inception_v3 import inception_v3
from runner.models.lenet import lenet5, lenet_wide
from runner.models.mobilenet import mobilenet_mini, mobilenet_v1
from runner.models.mobilenet_v2 import mobilenet_v2
from runner.models.resnet import resnet18, resnet34, resnet50, resnet101, resnet152
from runner.models.resnet_cifar import resnet20, resnet32, resnet44, resnet56, resnet110
from runner.models.resnet_mini import resnet_mini
from runner.models.torchvision import torchvision
from runner.models.vgg import vgg11, vgg13, vgg16, vgg19
from runner.models.vgg_mini import convnet, vgg_mini

MODELS: dict[str, Callable[..., nn.Module]] = {
    "logistic": logistic,
    "softmax": softmax,
    "mlp": mlp,
    "convnet": convnet,
    "vgg_mini": vgg_mini,
    "resnet_mini": resnet_mini,
    "inception_mini": inception_mini,
    "mobilenet_mini": mobilenet_mini,
    "lenet5": lenet5,
    "lenet_wide": lenet_wide,
    "alexnet": alexnet,
    "alexnet_table": alexnet_table,
    "alexnet_half": alexnet_half,
    "vgg11": vgg11,
    "vgg13": vgg13,
    "vgg16": vgg16,
    "vgg19": vgg19,
    "resnet18": resnet18,
    "resnet34": resnet34,
    "resnet50": resnet50,
    "resnet101": resnet101,
    "resnet152": resnet152,
    "resnet20": resnet20,
    "resnet32": resnet32,
    "resnet44": resnet44,
    "resnet56": resnet56,
    "resnet110": resnet110,
    "googlenet": googlenet,
    "inception_v3": inception_v3,
    "mobilenet_v1": mobilenet_v1,
    "mobilenet_v2": mobilenet_v2,
    "torchvision": torchvision,
}
