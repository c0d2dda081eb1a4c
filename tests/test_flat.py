"""A network's parameters as one vector, and back."""

import pytest
import torch
import zoo
from torch import Tensor, nn

from runner import flat
from runner.models import MODELS


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def network() -> nn.Sequential:
    torch.manual_seed(0)
    parts = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, (3, 1)), nn.Flatten()]
    return nn.Sequential(*parts, nn.Linear(5 * 4 * 6, 2)).double()


def viewed() -> tuple[nn.Sequential, Tensor]:
    """A network and the vector that its parameters are views of."""
    ours = network()
    vector = flat.vector(ours)
    flat.view(ours, vector)
    return ours, vector


def test_parameters_keep_their_values_and_become_views_of_one_vector() -> None:
    theirs = network()
    ours, vector = viewed()
    assert vector.shape == (sum(p.numel() for p in theirs.parameters()),)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, other)
        assert mine.untyped_storage().data_ptr() == vector.untyped_storage().data_ptr()
    images = random(2, 3, 8, 8, seed=1)
    torch.testing.assert_close(ours(images), theirs(images), rtol=1e-12, atol=1e-12)


def test_a_change_of_the_vector_is_one_of_the_network_and_back() -> None:
    ours, vector = viewed()
    vector.zero_()
    assert not any(p.any() for p in ours.parameters())
    ours.load_state_dict(network().state_dict())
    assert torch.equal(vector, flat.vector(network()))
    ours.train()(random(2, 3, 8, 8, seed=1))
    assert all(torch.equal(p, q) for p, q in zip(ours.parameters(), network().parameters(), strict=True))


def test_convolutions_are_laid_out_channels_last() -> None:
    filters = [layer.weight for layer in viewed()[0] if isinstance(layer, nn.Conv2d)]
    assert len(filters) == 2
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in filters)


def test_every_parameter_has_its_own_place_in_the_vector() -> None:
    ours = network()
    vector, places = flat.vector(ours), flat.pieces(ours)
    assert [place.name for place in places] == [name for name, _ in ours.named_parameters()]
    assert [place.start for place in places] == [0, *(place.stop for place in places)][:-1]
    assert places[-1].stop == len(vector)
    for place, parameter in zip(places, ours.parameters(), strict=True):
        part = place.part(vector[None])
        assert torch.equal(place.shaped(part)[0], parameter)
        assert torch.equal(place.flat(parameter[None]), part)


def test_statistics_are_those_of_the_norms_and_become_views_too() -> None:
    ours = network()
    found = flat.buffers(ours)
    assert set(found) == {"1.running_mean", "1.running_var"}
    own = {name: random(4, seed=number).abs() for number, name in enumerate(found)}
    flat.view_buffers(ours, own)
    ours.train()(random(2, 3, 8, 8, seed=1))
    theirs = network()
    theirs.load_state_dict({name: random(4, seed=n).abs() for n, name in enumerate(found)}, strict=False)
    theirs.train()(random(2, 3, 8, 8, seed=1))
    assert all(torch.equal(own[name], theirs.get_buffer(name)) for name in own)
    assert set(ours.state_dict()) == set(theirs.state_dict())


def matrices(network: nn.Module) -> set[str]:
    return {piece.name for piece in flat.pieces(network) if piece.is_matrix}


def test_weights_of_layers_are_matrices_and_biases_norms_and_slopes_are_none() -> None:
    assert matrices(network()) == {"0.weight", "3.weight", "5.weight"}


@pytest.mark.parametrize(
    ("arch", "no_matrices"),
    [
        ("vit_b_32", {"class_token", "pos_embedding"}),
        ("convnext_tiny", {"layer_scale"}),
        ("swin_t", {"relative_position_bias_table"}),
    ],
)
def test_tokens_positions_and_scales_are_no_matrices_and_attention_is(arch: str, no_matrices: set[str]) -> None:
    with torch.device("meta"):
        net = MODELS["torchvision"]((3, 32, 32), 10, nn.Identity, arch=arch)
    several = {name for name, parameter in net.named_parameters() if parameter.dim() > 1}
    left_out = several - matrices(net)
    assert {name.rpartition(".")[2] for name in left_out} == no_matrices
    assert matrices(net) <= several


def test_the_last_layers_are_those_that_give_logits_to_the_network_and_its_heads() -> None:
    with torch.device("meta"):
        net = zoo.network("googlenet", **zoo.small("googlenet", aux=True))
    last = {piece.name for piece in flat.pieces(net) if piece.is_last}
    assert last == {f"{head}logits.{own}" for head in ("", "aux1.", "aux2.") for own in ("weight", "bias")}
