"""What the demo says about its two Muons is what was measured."""

import pathlib
import sys
import types

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "demo"))


@pytest.mark.parametrize("peer_loss", [1.686, 1.6865, 1.6955])
def test_losses_that_rounding_explains_are_of_the_same_update(peer_loss):
    import train

    run = types.SimpleNamespace(losses=[4.0, 3.0])
    line = train.compare_muons(run, run, 1.686, peer_loss)
    assert line.startswith(f"The two Muons compute the same update: their losses differ by {peer_loss - 1.686:.3f}, ")


@pytest.mark.parametrize("peer_loss, said", [(1.7, "0.014"), (1.5, "0.186"), (float("nan"), "nan")])
def test_others_are_not(peer_loss, said):
    import train

    ours, peer = (types.SimpleNamespace(losses=losses) for losses in ([4.0, 3.0, 2.0], [4.0, 3.009, 2.2]))
    line = train.compare_muons(ours, peer, 1.686, peer_loss)
    assert line.startswith(f"The two Muons part: their losses differ by {said}, more than the 0.01 ")
    assert line.endswith("those of training did so first at step 3.")
    assert train.compare_muons(ours, ours, 1.686, peer_loss).endswith("those of training did so never.")
