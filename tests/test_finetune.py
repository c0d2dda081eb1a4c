"""Layers that stay as they are, are trained at rates of their own, or from some step on."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
import zoo
from program import artifacts, runner, runs
from stacks import configured, member, stack_of, told
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from runner import depth
from runner.config import ConfigError, Finetune, RunConfig
from runner.job import Job, Order
from runner.optim import OPTIMIZERS
from runner.run import run
from runner.train import Record
from runner.words import command

pytestmark = pytest.mark.usefixtures("alone")

SMALL = (
    *("model=vgg_mini", "model.width=4", "model.norm=batch", "data=synthetic", "data.size=8", "data.train=60"),
    *("data.test=20", "train.batch=10", "train.steps=6", "train.precision=fp64", "track=off"),
)


def weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items() if tensor.is_floating_point()}


def moved(*changes: str) -> dict[str, bool]:
    """Of each parameter and statistic whether training changed it."""
    one = member(configured(*SMALL, *changes))
    before = weights(one.parts.network)
    told(stack_of([one]))
    after = one.parts.network.state_dict()
    return {name: not torch.equal(tensor, after[name]) for name, tensor in before.items()}


@pytest.mark.parametrize("optim", OPTIMIZERS)
def test_frozen_layers_are_equal_to_the_bit_and_all_others_move(optim: str) -> None:
    found = moved(f"optim={optim}", "optim.weight_decay=0.1", "train.ema=0.9", "finetune.freeze_until=conv2_1")
    frozen = ("conv1_1.", "conv1_2.", "conv2_1.")
    assert {name for name, changed in found.items() if not changed} == {
        name for name in found if name.startswith(frozen)
    }
    assert any("running_mean" in name for name in found if name.startswith(frozen))


def test_what_only_another_layer_between_keeps_from_the_images_is_frozen_too() -> None:
    found = moved("finetune.freeze=[conv1_2,stage3]")
    frozen = ("conv1_2.", "conv3_1.", "conv3_2.")
    assert all(changed != name.startswith(frozen) for name, changed in found.items())


def test_norms_of_frozen_layers_of_any_network_stay_as_they_are() -> None:
    words = [word for word in SMALL if not word.startswith("model")]
    words += ["model=torchvision", "model.arch=resnet18", "activation=default", "data.size=32", "train.steps=1"]
    one = member(configured(*words, "finetune.freeze=[conv1,bn1,layer1-3]"))
    before = weights(one.parts.network)
    told(stack_of([one]))
    still = {name for name, value in before.items() if torch.equal(value, one.parts.network.state_dict()[name])}
    assert still == {name for name in before if not name.startswith(("layer4", "fc"))}


def operations(*changes: str) -> int:
    """Of one training step."""
    stack = stack_of([member(configured(*SMALL, *changes))])
    with FlopCounterMode(display=False) as counted:
        stack.advance(1, lambda: False)
    return counted.get_total_flops()


def test_no_gradient_is_computed_for_what_is_frozen() -> None:
    whole = operations("model.norm=none")
    last = operations("model.norm=none", "finetune.freeze_until=conv3_2")
    one = member(configured(*SMALL, "model.norm=none"))
    forward = 2 * one.parts.multiply_adds * 10
    of_logits = 2 * 10 * one.parts.network.get_submodule("logits").weight.numel()  # type: ignore[union-attr, operator]
    assert last == forward + of_logits
    assert whole > 2.5 * forward


def test_an_optimizer_keeps_nothing_of_what_is_frozen() -> None:
    stack = stack_of([member(configured(*SMALL, "finetune.freeze_until=6"))])
    logits = stack.members[0].parts.network.get_submodule("logits")  # type: ignore[union-attr]
    assert stack.rows["memory"].shape[2] == sum(p.numel() for p in logits.parameters())


def step_of(*changes: str) -> dict[str, Tensor]:
    one = member(configured(*SMALL, "train.steps=1", "optim=sgd", *changes))
    before = weights(one.parts.network)
    told(stack_of([one]))
    return {name: before[name] - p.detach() for name, p in one.parts.network.named_parameters()}


def test_a_step_is_as_much_longer_as_the_factor_of_its_layer() -> None:
    plain = step_of()
    changed = step_of("finetune.rates={conv1_*:0.25,stage2:3,logits.bias:10}", "finetune.rate_decay=0.5")
    factors = {"conv1_1": 0.25 / 64, "conv1_2": 0.25 / 32, "conv2_1": 3 / 16, "conv2_2": 3 / 8}
    factors |= {"conv3_1": 0.25, "conv3_2": 0.5, "logits.w": 1.0, "logits.b": 10.0}
    for name, length in plain.items():
        [factor] = [value for key, value in factors.items() if name.startswith(key)]
        torch.testing.assert_close(changed[name], factor * length, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("optim", ["adam", "muon"])
def test_fine_tuned_runs_beside_each_other_are_as_alone(optim: str) -> None:
    words = (*SMALL, f"optim={optim}", "finetune.freeze=[conv1_1,conv2_1]", "finetune.rates={logits:2}")
    configs = [configured(*words, f"seed={seed}") for seed in (0, 1)]
    together = [member(config) for config in configs]
    told(stack_of(together))
    for config, one in zip(configs, together, strict=True):
        alone = member(config)
        told(stack_of([alone]))
        for ours, theirs in zip(one.parts.network.parameters(), alone.parts.network.parameters(), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_the_order_of_rates_tells_runs_apart_as_the_last_that_fits_holds() -> None:
    orders = ("conv*:2,conv1_1:3", "conv1_1:3,conv*:2")
    one, other = (configured(*SMALL, f"finetune.rates={{{rates}}}") for rates in orders)
    assert one.identity != other.identity and one.family != other.family
    assert configured(*SMALL, "finetune.rate_decay=1.0").identity == configured(*SMALL).identity


def test_the_command_of_a_page_has_patterns_as_they_were() -> None:
    config = configured(*SMALL, r"finetune.rates={conv\[12\]_*:0.1,logits:10}", "finetune.freeze=[stage1]")
    assert config.finetune.rates == {"conv[12]_*": 0.1, "logits": 10.0}
    assert configured(*shlex.split(command(config))[3:]).finetune == config.finetune


def test_runs_of_which_other_layers_are_frozen_are_another_family() -> None:
    families = {configured(*SMALL, f"finetune.freeze_until={n}").family for n in (1, 2)}
    assert len(families) == 2


class Silent:
    """Hears what a run says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def begin(self, name: str, step: int, steps: int) -> None: ...

    def record(self, record: Record, images_per_second: float) -> None: ...


THAWS = (
    *SMALL, "train.steps=40", "train.ema=0.9", "augment=flip", "optim=adam",
    "finetune.freeze_until=conv2_2", "finetune.unfreeze_every=7",
)  # fmt: skip


def whole_run(folder: Path, config: RunConfig, *stops: int) -> tuple[dict[str, Any], list[str]]:
    """What a run leaves behind, stopped at some steps and continued, and what it said."""
    job, watch = Job(folder / "job"), Silent()
    for until in (*stops, None):
        run(job, Order(config, name="", command="", until=until), watch=watch, stop=lambda: False)
    return torch.load(job.checkpoints.newest_first()[0], weights_only=True), watch.lines


def assert_alike(ours: Any, theirs: Any) -> None:
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key in ours.keys() - {"seconds", "training_seconds"}:
            assert_alike(ours[key], theirs[key])
    elif isinstance(ours, Tensor):
        assert torch.equal(ours, theirs)
    else:
        assert ours == theirs


def test_a_layer_more_is_trained_from_time_to_time_whenever_the_run_is_stopped(tmp_path: Path) -> None:
    config = configured(*THAWS)
    whole, said = whole_run(tmp_path / "whole", config)
    steps = {"conv2_2": 7, "conv2_1": 14, "conv1_2": 21, "conv1_1": 28}
    assert said == [f"step {step}: {layer} trained too from here on" for layer, step in steps.items()]
    assert {name.partition(".")[0] for name in whole["memory"]} == {"conv3_1", "conv3_2", "logits", *steps}


@pytest.mark.parametrize("stops", [(3,), (7,), (10, 14, 30)], ids=str)
def test_a_run_that_thaws_goes_on_where_it_was_stopped(tmp_path: Path, stops: tuple[int, ...]) -> None:
    config = configured(*THAWS, "train.eval_every=100")
    assert_alike(
        {**whole_run(tmp_path / "stopped", config, *stops)[0], "history": None},  # a stop is evaluated
        {**whole_run(tmp_path / "whole", config)[0], "history": None},
    )


def test_a_thawed_layer_begins_with_an_optimizer_of_its_own(tmp_path: Path) -> None:
    """Adam's first step is as long as its rate, whatever the gradient: it must be so at step 7 too."""
    words = (*SMALL, "optim=adam", "optim.eps=1e-12", "finetune.freeze_until=conv1_1", "finetune.unfreeze_every=7")
    before = whole_run(tmp_path / "before", configured(*words, "train.steps=7"))[0]
    after = whole_run(tmp_path / "after", configured(*words, "train.steps=8"))[0]
    name = "conv1_1.conv.weight"
    lengths = (after["network"][name] - before["network"][name]).abs()
    torch.testing.assert_close(lengths, torch.full_like(lengths, 1e-3), rtol=1e-3, atol=0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "finetune.freeze=[conv1_7]",
            r"finetune.freeze: 'conv1_7' is no layer; .*nearest: 'conv1_",
        ),
        ("finetune.freeze=[stage4]", r"finetune.freeze: 'stage4' is no layer"),
        ("finetune.freeze_until=conv9", r"finetune.freeze_until=conv9: no layer is called so; there are conv1_1"),
        ("finetune.freeze_until=8", r"finetune.freeze_until=8: the network has 7 layers, conv1_1, "),
        ("finetune.freeze=['*']", r"finetune: every layer is frozen, and nothing is left to train"),
        ("finetune.freeze_until=logits", r"every layer is frozen"),
        ("finetune.freeze_until=stag2", r"no layer is called so; .*nearest: 'stage2'"),
        ("finetune.freeze_until=stage", r"no layer is called so"),
        ("finetune.rates={conf1:2}", r"finetune.rates: 'conf1' is no layer; .*nearest: 'conv"),
    ],
)
def test_a_layer_that_there_is_not_is_refused(words: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        member(configured(*SMALL, words))


LAYERS = {
    "vgg_mini": ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "logits"),
    "mlp": ("dense1", "dense2", "dense3", "logits"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_named_from_the_images_to_the_logits(name: str) -> None:
    assert depth.layers(zoo.network(name, (3, 32, 32), 10)) == LAYERS[name]


def test_layers_of_torchvisions_networks_are_those_of_their_sequences_norms_included() -> None:
    from torchvision.models import get_model

    with torch.device("meta"):
        vgg, resnet = get_model("vgg11_bn"), get_model("resnet18")
    assert depth.layers(vgg)[:3] == ("features.0", "features.4", "features.8")
    assert depth.until(vgg, 1, "") == [f"features.{n}.{what}" for n in (0, 1) for what in ("weight", "bias")]
    assert depth.layers(resnet) == ("conv1", *(f"layer{n}.{m}" for n in (1, 2, 3, 4) for m in (0, 1)), "fc")
    first = depth.until(resnet, "stage1", "")
    assert first[0] == "conv1.weight" and first[-1] == "layer1.1.bn2.bias"
    [stages] = depth.matching(resnet, ["stage1-2"], "")
    assert {name[:6] for name in stages} == {"conv1.", "layer1", "layer2"}


def test_auxiliary_heads_do_not_count_and_thaw_first() -> None:
    with torch.device("meta"):
        network = zoo.network("googlenet", (3, 64, 64), 10, **zoo.options("googlenet", aux=True))
    assert depth.layers(network)[0] == "conv1" and not any("aux" in name for name in depth.layers(network))
    found = depth.frozen(network, Finetune(freeze=("aux?", "inception5b", "conv1")))
    assert [names[0].partition(".")[0][:4] for names in found] == ["aux1", "aux2", "ince", "conv"]


@pytest.mark.slow
def test_where_trials_run_does_not_change_what_thaws(tmp_path: Path) -> None:
    words = [word for word in THAWS if word != "track=off"]
    found = {}
    for executor in ("local", "fused"):
        folder = tmp_path / executor
        folder.mkdir()
        runner(folder, "-m", f"executor={executor}", "optim.lr=0.001,0.01", "sweep.seeds=1", *words)
        found[executor] = {
            run.data.params["optim.lr"]: torch.load(artifacts(run) / "weights.pt", weights_only=True)
            for run in runs(folder)
            if "sweep.cell" in run.data.tags
        }
    assert found["local"].keys() == found["fused"].keys() == {"0.001", "0.01"}
    for lr, weights_ in found["local"].items():
        for name, tensor in weights_.items():
            torch.testing.assert_close(found["fused"][lr][name], tensor, rtol=0, atol=1e-9)
