"""Runs of one architecture that are trained as one program.

All that a run is between two steps is a row of each tensor in `Stack.rows`: weights, optimizer, statistics of
norms, number of the step, order of the images, keys of what is drawn, and options. So a run may take the place that
another has left, or the stack be made smaller, and the others do not notice. A run alone is a stack of one.
"""

from runner.stack.average import WEIGHTS
from runner.stack.member import LOOK_EVERY, Member, Memory, State
from runner.stack.stack import Stack
from runner.stack.step import totals

__all__ = ["LOOK_EVERY", "WEIGHTS", "Member", "Memory", "Stack", "State", "totals"]
