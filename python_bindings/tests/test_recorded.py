"""Floors from recorded momenta: muon-tune --gradients, and the ways a layer's own tuned answer is used."""

import json
import pathlib
import subprocess
import sys
import types

import numpy as np
import pytest
import torch

import muonc.torch
from muonc import _tuning as tuning

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tools" / "muon-tune"))


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """A folder of two recordings: layers of known singular values."""
    from safetensors.numpy import save_file

    folder, generator = tmp_path_factory.mktemp("recorded"), np.random.default_rng(2)

    def matrix(rows, columns, lowest):
        u = np.linalg.qr(generator.standard_normal((rows, rows)))[0]
        v = np.linalg.qr(generator.standard_normal((columns, columns)))[0][:rows]
        return ((u * np.geomspace(1.0, lowest, rows)) @ v).astype(np.float32)

    for step in range(2):
        save_file(
            {
                "h.0.attn": matrix(24, 24, 0.5),
                "h.1.attn": matrix(24, 24, 0.4),
                "h.0.mlp": matrix(24, 48, 0.05),
                "norm": np.ones(24, np.float32),
            },
            folder / f"step{step}.safetensors",
        )
    return folder


def test_floors_come_from_the_recorded_singular_values(recordings):
    import recorded

    spectra = recorded.read_spectra(recordings)
    assert set(spectra) == {"h.0.attn", "h.1.attn", "h.0.mlp"} and len(spectra["h.0.attn"].spectra) == 2
    expected = np.geomspace(1.0, 0.5, 24)
    np.testing.assert_allclose(spectra["h.0.attn"].spectra[0], expected / np.linalg.norm(expected), rtol=1e-5)
    np.testing.assert_allclose(spectra["h.0.attn"].norms[0], np.linalg.norm(expected), rtol=1e-5)
    kinds, options = recorded.kinds_of(spectra), types.SimpleNamespace(quantile=0.1, floor=None)
    floor, schatten4 = recorded.floors_of(kinds["h.*.attn", (24, 24)], options, [])
    lowest = np.geomspace(1.0, 0.4, 24)
    assert floor == recorded.round_down(np.quantile(lowest / np.linalg.norm(lowest), 0.1)) == 0.05 * 2
    assert schatten4 == recorded.round_down(np.quantile(lowest / np.sum(lowest**4) ** 0.25, 0.1), (0, 1)) == 0.2
    assert recorded.floors_of(kinds["h.*.mlp", (24, 48)], options, ["frobenius"]) < (floor, 0.0)


@pytest.mark.parametrize("floor, rounded", [(0.0123, 0.01), (0.01, 0.01), (0.0099, 0.005), (0.3, 0.2), (1e-7, 1e-4)])
def test_floors_are_rounded_down(floor, rounded):
    import recorded

    assert recorded.round_down(floor) == pytest.approx(rounded)


def test_each_kind_of_layer_is_tuned_at_its_own_floor(recordings, muon_tune, tmp_path, build_directory):
    database = tmp_path / "tuning.sqlite"
    text = muon_tune(
        "--gradients",
        recordings,
        *"--model tiny --dtype f32 --candidates 2 --rounds 1 --database".split(),
        database,
    )
    assert "h.0.attn" in text and "10%" in text
    assert "norm schatten4: the recorded singular values begin at 0.2 of it, where Frobenius has 0.1" in text
    entries = {(e["rows"], e["columns"]): e for e in tuning.open_database(str(database)).entries()}
    assert set(entries) == {(24, 24), (24, 48)}
    steps = {shape: len(json.loads(entry["plan"])["table"]) for shape, entry in entries.items()}
    assert entries[24, 24]["floor"] > entries[24, 48]["floor"]
    assert f"h.*.attn  24x24: floor 0.1, schatten4 0.2, T = {steps[24, 24]} " in text
    check_layers_of_the_optimizer(database)
    check_layers_of_muon_opt(database, build_directory, recordings)
    assert "model tiny: h.*.mlp  24x48: floor " in muon_tune("list", "--database", database)
    exported, copy = tmp_path / "entries.json", tmp_path / "copy.sqlite"
    muon_tune("export", exported, "--database", database)
    muon_tune("import", exported, "--database", copy)
    assert tuning.open_database(str(copy)).layers() == tuning.open_database(str(database)).layers() != []


def check_layers_of_the_optimizer(database):
    """Every named parameter at its layer's own floor; one that was not recorded is reported."""
    shapes = {"h.5.attn": (24, 24), "h.7.mlp": (24, 48), "head": (24, 24)}
    named = [(name, torch.nn.Parameter(torch.zeros(shape))) for name, shape in shapes.items()]
    for _, parameter in named:
        parameter.grad = torch.randn(parameter.shape)
    optimizer = muonc.torch.Muon(named, dtype="f32", tuned={"model": "tiny", "database": str(database)})
    optimizer.step()
    said = [group["tuned"] for group in optimizer.report()["program"]["groups"]]
    assert (
        len(said) == 3
        and said[0].startswith("entry for 24x24, dtype f32, floor 0.1, ")
        and said[1].startswith("entry for 24x48")
    )
    assert said[2] == f"none: no layer 'head' of 24x24 was recorded for model 'tiny' in '{database}'"
    unnamed = muonc.torch.Muon(
        [parameter for _, parameter in named], tuned={"model": "tiny", "database": str(database)}
    )
    with pytest.raises(
        ValueError, match=r"tuned for a model needs named parameters, as in Muon.model.named_parameters"
    ):
        unnamed.step()


def check_layers_of_muon_opt(database, build_directory, recordings):
    command = [
        build_directory / "bin" / "muon-opt",
        "--shapes-from",
        recordings / "step0.safetensors",
        *"--tuned --model tiny --dtype f32 --database".split(),
        database,
        *"--emit report -o -".split(),
    ]
    report = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert sorted((group["parameters"], group["tuned"][:15]) for group in report["groups"]) == [
        (1, "entry for 24x48"),
        (2, "entry for 24x24"),
    ]


def test_recordings_that_cannot_be_read_are_named(muon_tune, tmp_path):
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"nothing")
    database = tmp_path / "tuning.sqlite"
    assert f"muon-tune: {broken}: " in muon_tune("--gradients", broken, "--database", database, fails=True)
    line = muon_tune("--gradients", tmp_path / "absent", "--database", database, fails=True)
    assert line == f"muon-tune: {tmp_path / 'absent'}: expected a .safetensors file or a folder of them"
