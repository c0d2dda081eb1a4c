"""What is wrong with a command line, in words that help: all of it at once."""

import pytest
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from runner import places
from runner.compose import compose
from runner.explain import as_typed, explain, for_cells
from runner.reading import from_hydra


def explained(*overrides: str) -> list[str]:
    """The lines for overrides that Hydra refuses."""
    with pytest.raises((HydraException, OmegaConfBaseException)) as refused:
        compose(overrides)
    return explain(refused.value, overrides).splitlines()


MODELS = ", ".join(sorted(page.stem for page in (places.conf() / "model").glob("*.yaml")))

ONE = [
    ("model=vgg17", f"model=vgg17: no such choice; there are {MODELS} (nearest: 'vgg19')"),
    ("train=smok", "train=smok: no such choice; there are long, protocol, smoke (nearest: 'smoke')"),
    (
        "augment=qqq",
        "augment=qqq: no such choice; there are brightness, contrast, crop_flip, cutmix, cutout, flip, mixup, "
        "none, photometric, randaugment, translate",
    ),
    ("optim.lrr=1", "optim.lrr: no such option; optim has lr, betas, eps, weight_decay, decays (nearest: 'lr')"),
    ("model.widht=3", "model.widht: no such option; model has convs_per_stage, width, norm (nearest: 'width')"),
    ("init.std=0.02", "init.std: no such option; init=default takes none"),
    (
        "executor.slot=2",
        "executor.slot: no such option; executor has slots, slots_per_gpu, devices, tries (nearest: 'slots')",
    ),
    ("optm.lr=1", "optm.lr: no such section (nearest: 'optim')"),
    ("seed.x=1", "seed.x: no such section (nearest: 'seed')"),
]


@pytest.mark.parametrize(("override", "message"), ONE, ids=[override for override, _ in ONE])
def test_a_wrong_name_is_answered_with_what_is_known_and_what_is_nearest(override: str, message: str) -> None:
    assert explained(override) == [message]


@pytest.mark.parametrize(("override", "start"), [("modell=vgg16", "modell: no such option; there are ")])
def test_a_wrong_group_is_answered_with_the_groups(override: str, start: str) -> None:
    (line,) = explained(override)
    assert line.startswith(start)
    assert line.endswith("(nearest: 'model')")


def test_a_page_that_is_not_there_is_answered_with_the_pages() -> None:
    (line,) = explained("sweep=init_ablatoin")
    assert line.startswith("sweep=init_ablatoin: no such choice; there are activation_ablation, ")
    assert line.endswith("(nearest: 'init_ablation')")


@pytest.mark.parametrize("wrong", ["optim.lr=[1", "optim.lr", "a b=1", "model=vgg16,mlp", "+model=vgg16"])
def test_what_is_no_override_is_refused_in_one_line(wrong: str) -> None:
    (line,) = explained(wrong)
    assert line
    assert "hydra.cc" not in line


def test_several_mistakes_are_said_at_once_in_the_order_that_they_are_met() -> None:
    found = explained("model=vgg17", "seed=3", "optim.lrr=1", "train=smok", "train.batch=0", "data.kids=2")
    assert {line.partition(":")[0] for line in found} == {
        "model=vgg17",
        "train=smok",
        "optim.lrr",
        "data.kids",
        "train.batch",
    }
    assert len(found) == 5


def test_an_option_is_explained_by_the_choice_that_was_made() -> None:
    assert explained("optim=sgd", "optim.momentum=0.9") == [
        "optim.momentum: no such option; optim has lr, weight_decay, decays"
    ]


def test_a_mistake_beside_a_wrong_choice_is_said_too() -> None:
    first, second = explained("optim=adamm", "optim.lr=x")
    assert first.startswith("optim=adamm: no such choice") and first.endswith("(nearest: 'adam')")
    assert second == "optim.lr: 'x' must be a number"


def test_the_choices_of_ones_own_folder_are_known(tmp_path_factory: pytest.TempPathFactory) -> None:
    own = tmp_path_factory.mktemp("conf")
    (own / "optim").mkdir()
    (own / "optim" / "mine.yaml").write_text("name: sgd\nlr: 0.5\nweight_decay: 0.0\ndecays: all\n")
    assert from_hydra(compose(["optim=mine"], str(own))).optim.options["lr"] == 0.5
    with pytest.raises(HydraException) as refused:
        compose(["optim=minee"], str(own))
    line = explain(refused.value, ["optim=minee"], str(own))
    assert line.endswith("(nearest: 'mine')")


@pytest.mark.parametrize("value", ["0.05", "[8,16]", "null", "'a b'"])
def test_options_of_a_swept_group_are_left_to_the_cells_and_told_as_typed(value: str) -> None:
    typed = ["-m", "init=normal,truncated_normal", f"init.std={value}", "optim.lr=0.1", "train.batch=5,10"]
    handed = for_cells(typed)
    assert handed == ["-m", typed[1], f"init.std=choice({value})", *typed[3:]]
    assert [as_typed(word) for word in handed] == typed
