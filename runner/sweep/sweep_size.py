"""The limit on what a few typed words may stand for: whoever makes many things of them asks here first."""

from runner.config import ConfigError
from runner.schema import MOST_RUNS


def check_count(count: float, said: str, advice: str) -> None:
    """Refuses what stands for more than `MOST_RUNS`.

    Args:
        said: what a person gave and what it stands for, as the start of a sentence; `{}` in it is the count.
        advice: what to type instead.

    Raises:
        ConfigError: it does.
    """
    if count > MOST_RUNS:
        raise ConfigError(f"{said.replace('{}', f'{count:,}')}; a sweep has at most {MOST_RUNS:,} runs. {advice}")
