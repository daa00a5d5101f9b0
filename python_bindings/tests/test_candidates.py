"""What muon-tune proposes, judges and draws: its modules, called directly."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from muonc import _tuning as tuning

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tools" / "muon-tune"))

KELLER = tuning.published_table("keller", 5)[1]


def test_the_limit_on_errors_grows_with_the_slope_that_the_band_asks():
    import candidates

    def lift(floor, band):
        return candidates.Problem((8, 8), floor, band, "keller", KELLER).lift

    slope = np.prod([row[0] for row in KELLER])
    assert lift(1e-3, (0.7, 1.3)) == pytest.approx(700 / slope)
    assert lift(1e-2, (0.7, 1.3)) == lift(1e-3, tuning.compute_band(KELLER, 1e-3)) == 1
    problem = candidates.Problem((8, 8), 1e-3, (0.7, 1.3), "keller", KELLER)
    assert candidates.allowed(problem, "f32", 1e-5) == 2e-5
    assert candidates.allowed(problem, "bf16", 0.1) == pytest.approx(0.105 * 700 / slope)


def test_norms_are_candidates_and_aol_is_refused_by_verification(muon_tune, tmp_path):
    database = tmp_path / "tuning.sqlite"
    text = muon_tune(
        *"--shape 48x96 --dtype f32 --floor 1e-2 --candidates 2 --rounds 1 --norms frobenius,trace,schatten4,aol --database".split(),
        database,
    )
    assert (
        "norm schatten4: begins at 0.0100005 for every matrix: no gain over 0.01 unless recorded spectra give one"
        in text
    )
    candidates = json.loads(tuning.open_database(str(database)).entries()[0]["facts"])["candidates"]
    verdicts = {
        norm: {c["verdict"] for c in candidates if c["norm"] == norm}
        for norm in ("frobenius", "trace", "schatten4", "aol")
    }
    assert all("verified" in verdicts[norm] for norm in ("frobenius", "trace", "schatten4"))
    assert (
        all(verdict.endswith("; aol takes the polar factor of D G, not of G") for verdict in verdicts["aol"])
        and verdicts["aol"]
    )


def test_a_block_changes_no_bit():
    from stepping import Step

    gradient = np.random.default_rng(3).standard_normal((150, 200)).astype(np.float32)
    for operands in ("f32", "bf16"):
        plain = Step((150, 200), "keller", {}, operands).orthogonalize(gradient)
        for tile in ((32, 0), (128, 64), (512, 0)):
            assert (Step((150, 200), "keller", {"tile": tile}, operands).orthogonalize(gradient) == plain).all()


def test_the_model_takes_the_form_the_compiler_chooses(build_directory):
    """Keller's table in bf16: two restarts, which the worst spectrum alone would not ask for (docs/numerics.md)."""
    command = [
        build_directory / "bin" / "muon-opt",
        *"--shape 64x512 --dtype bf16 --emit report -o -".split(),
    ]
    choice = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["groups"][0][
        "choice"
    ][0]
    assert tuning.choose_form(KELLER, "bf16", 64.0, 512.0) == (choice["form"], choice["restarts"]) == ("gram", [2, 3])


def test_the_judge_finds_the_error_and_the_band():
    import spectra

    judge = spectra.Judge((40, 64), 1e-2)

    def exact(matrix, factor=1.0):
        u, s, v = np.linalg.svd(matrix.astype(np.float64), full_matrices=False)
        return (factor * (u * spectra.evaluate(KELLER, s / np.linalg.norm(s))) @ v).astype(np.float32)

    found = judge.judge(exact, KELLER)
    assert found["error"] <= 1e-5
    lower, upper = tuning.compute_band(KELLER, 1e-2)
    assert lower - 1e-4 <= found["lower"] <= upper and found["upper"] <= tuning.compute_band(KELLER, 0.0)[1] + 1e-4
    found = judge.judge(lambda matrix: exact(matrix, 1.5), KELLER)
    assert found["error"] == pytest.approx(0.5, rel=1e-3) and found["upper"] > 1.5
    assert judge.judge(lambda matrix: matrix * np.nan, KELLER)["error"] == np.inf


@pytest.mark.parametrize(
    "restarts, sides, line",
    [
        ([5], (8, 16), "expected increasing restarts between 1 and 4, got [5]"),
        ([2, 2], (8, 16), "expected increasing restarts between 1 and 4, got [2, 2]"),
        ([], (16, 8), "expected 1 <= short_side <= long_side, got 16 and 8"),
        ([], (0, 8), "expected 1 <= short_side <= long_side, got 0 and 8"),
    ],
)
def test_what_cannot_be_emulated(restarts, sides, line):
    with pytest.raises(ValueError) as caught:
        tuning.emulate(KELLER, "gram", restarts, "f32", *sides)
    assert str(caught.value) == line


@pytest.mark.parametrize(
    "floor, degrees, got",
    [
        (1.5, [3, 5], "floor 1.5 and degrees [3, 5]"),
        (1e-3, [4], "floor 0.001 and degrees [4]"),
        (float("nan"), [], "floor nan and degrees []"),
    ],
)
def test_what_no_minimax_table_is_made_for(floor, degrees, got):
    with pytest.raises(ValueError) as caught:
        tuning.minimax(floor, degrees)
    assert str(caught.value) == f"expected 0 < floor < 1 and odd degrees of 3 to 13, got {got}"


def test_a_limited_table_keeps_its_limit():
    import limited

    limit = 100.0
    lower, upper = 1e-2, 1.0
    for row in limited.limited_table(1e-2, (5, 5, 7), limit):
        x = np.linspace(lower, upper, 2000)
        terms = np.array([c * x ** (2 * i + 1) for i, c in enumerate(row)])
        assert (np.abs(terms).sum(0) <= 1.01 * limit * terms.sum(0)).all()
        lower, upper = tuning.compute_band([row], lower, upper)


def test_tables_made_for_rounding_round_less():
    """f32, floor 1e-3, 17 units of Keller's 20: in Keller's band, with an emulated error not above Keller's."""
    import limited

    rows = limited.limited_table(1e-3, (5, 5, 5, 9), 250.0)
    band = tuning.compute_band(KELLER, 1e-3)
    _, rows = tuning.scale_into_band(rows, 1e-3, *band)
    assert tuning.check_band(rows, *band, 1e-3) == "" and tuning.count_products(rows, "standard", [], "f32", 1, 1) == 17
    keller = tuning.emulate(KELLER, "standard", [], "f32")["error"]
    plain = tuning.emulate(tuning.minimax(1e-3, [5, 5, 5, 9])[1], "standard", [], "f32")["error"]
    made = tuning.emulate(rows, "standard", [], "f32")["error"]
    assert made <= keller and plain >= 3 * made


def test_the_plot_has_one_curve_per_table():
    import plotting

    made = [
        {"rows": rows, "norm": norm, "form": form}
        for rows, norm, form in (
            ([[1.5, -0.5]], "frobenius", "standard"),
            ([[1.5, -0.5]], "frobenius", "gram"),
            ([[1.5, -0.5]], "trace", "gram"),
            ([[2.0, -1.0]], "frobenius", "gram"),
        )
    ]
    assert plotting.one_per_table(made) == [made[0], made[2], made[3]]


def test_the_front_is_what_nothing_betters():
    import plotting

    assert plotting.pareto([(3, 1.0), (1, 2.0), (2, 2.5), (2, 1.5)]) == [(1, 2.0), (2, 1.5), (3, 1.0)]
