"""What document 001 says of networks, for whoever counts: with 1000 classes, on images of ImageNet's size."""

from collections.abc import Mapping
from dataclasses import dataclass

ALEXNET = 61_100_840
"""Parameters of `alexnet`."""


@dataclass(frozen=True)
class Statement:
    """One of its numbers.

    Attributes:
        said: in its words.
        of: what it is of, `parameters`, `multiply-adds`, or `share`: its parameters among AlexNet's.
        why: what the difference comes from.
        size: of the images that it is of.
    """

    said: str
    of: str
    why: str
    size: int = 224

    def beside(self, parameters: int, multiply_adds: int) -> str:
        """The number beside what was counted, auxiliary heads left out."""
        counted = {
            "parameters": f"{parameters:,}",
            "multiply-adds": f"{multiply_adds:,}",
            "share": f"1/{ALEXNET / parameters:.1f}",
        }
        return f"document 001: {self.said}; counted: {counted[self.of]}. {self.why}"


STATEMENTS: Mapping[str, tuple[Statement, ...]] = {
    "alexnet": (
        Statement(
            "60 million parameters",
            "parameters",
            "Its number is that of Krizhevsky et al. 2012, a network in two streams (60,965,224); this is the one "
            "stream of Krizhevsky 2014, as torchvision has it.",
        ),
    ),
    "googlenet": (
        Statement(
            "5 million parameters",
            "parameters",
            "Without the last layer, 1,025,000 for 1000 classes, there are 5.6 million, which the document rounds; "
            "here 5x5 convolutions are 3x3, and each has a norm, as in torchvision.",
        ),
        Statement(
            "1/12 of AlexNet's 60 million",
            "share",
            "60 million over 5 million, both rounded, the second without the last layer.",
        ),
        Statement(
            "1.5 billion floating-point operations",
            "multiply-adds",
            "As the paper it counts a multiplication and its addition once.",
        ),
    ),
    "inception_v3": (
        Statement(
            "nearly 25 million parameters",
            "parameters",
            "With its auxiliary head, which is used in training only, there are 27.2 million.",
            299,
        ),
        Statement(
            "5 billion multiply-adds",
            "multiply-adds",
            "Its number rounds the paper's, 4.8 billion (Szegedy et al. 2016, table 3); the paper's layers come to "
            "what is counted here, and torchvision publishes 5.71 for them.",
            299,
        ),
    ),
}
"""By network."""
