"""What trainers do with an optimizer: every habit of torch's has to work, with torch's own results."""

import copy
import gc
import inspect
import io
import pickle
import weakref

import pytest
import torch

import muonc.torch
from reference import distance, give, gradients, matrices

SHAPES = [(24, 24), (40, 16), (16, 40)]


def pair(shapes=SHAPES, **settings):
    """(our optimizer, its parameters, torch's, its parameters), from the same start."""
    ours, peers = matrices(shapes), matrices(shapes)
    return (muonc.torch.Muon(ours, dtype="f32", **settings), ours, torch.optim.Muon(peers, **settings), peers)


def step_both(mine, ours, theirs, peers, step):
    values = gradients([tuple(p.shape) for p in ours], step)
    for optimizer, parameters in ((mine, ours), (theirs, peers)):
        give(parameters, values)
        optimizer.step()


def assert_together(ours, peers, starts=None, bound=2e-2):
    """torch rounds its products to bf16: the two agree to a few of its digits, relative on W - W0."""
    starts = starts or matrices([tuple(p.shape) for p in ours])
    truth = [p.detach().double().numpy() for p in peers]
    assert distance(ours, starts, truth) <= bound


def test_it_is_an_optimizer_with_torchs_signature():
    theirs = inspect.signature(torch.optim.Muon).parameters
    mine = inspect.signature(muonc.torch.Muon).parameters
    assert list(mine)[: len(theirs)] == list(theirs)
    for name, parameter in theirs.items():
        assert mine[name].default == parameter.default
    assert issubclass(muonc.torch.Muon, torch.optim.Optimizer)


def test_several_groups_with_their_own_settings():
    ours, peers = matrices(SHAPES), matrices(SHAPES)

    def groups(p):
        return [
            {"params": p[:1], "lr": 0.05, "momentum": 0.8},
            {"params": p[1:], "nesterov": False, "weight_decay": 0.5, "adjust_lr_fn": "match_rms_adamw"},
        ]

    mine, theirs = muonc.torch.Muon(groups(ours), lr=0.01, dtype="f32"), torch.optim.Muon(groups(peers), lr=0.01)
    for step in range(5):
        step_both(mine, ours, theirs, peers, step)
    assert_together(ours, peers)
    assert mine.report()["program"] is not None


def test_schedules_never_recompile():
    mine, ours, theirs, peers = pair(lr=0.05)
    schedules = [torch.optim.lr_scheduler.CosineAnnealingLR(o, 6) for o in (mine, theirs)]
    programs = set()
    for step in range(6):
        mine.param_groups[0]["momentum"] = theirs.param_groups[0]["momentum"] = 0.8 + 0.02 * step
        mine.param_groups[0]["weight_decay"] = theirs.param_groups[0]["weight_decay"] = 0.1 * step
        step_both(mine, ours, theirs, peers, step)
        programs.add(id(mine._plan))
        for schedule in schedules:
            schedule.step()
    assert len(programs) == 1
    assert_together(ours, peers)


def test_a_tensor_learning_rate():
    mine, ours, theirs, peers = pair(lr=torch.tensor(0.05))
    for step in range(3):
        step_both(mine, ours, theirs, peers, step)
    mine.param_groups[0]["lr"].mul_(0.1)
    theirs.param_groups[0]["lr"].mul_(0.1)
    step_both(mine, ours, theirs, peers, 3)
    assert_together(ours, peers)


def test_a_compiled_setting_may_change_during_training():
    mine, ours, theirs, peers = pair(lr=0.05)
    step_both(mine, ours, theirs, peers, 0)
    mine.param_groups[0]["nesterov"] = theirs.param_groups[0]["nesterov"] = False
    mine.param_groups[0]["ns_steps"] = theirs.param_groups[0]["ns_steps"] = 3
    for step in range(1, 4):
        step_both(mine, ours, theirs, peers, step)
    assert_together(ours, peers)


def test_groups_that_differ_in_scalars_share_their_launches():
    settings = [{"lr": 0.02}, {"lr": 0.05, "momentum": 0.9}, {"lr": 0.1, "nesterov": False}]
    together = [torch.nn.Parameter(torch.randn(16, 32)) for _ in settings]
    alone = [torch.nn.Parameter(parameter.detach().clone()) for parameter in together]
    optimizer = muonc.torch.Muon([{"params": [p], **own} for p, own in zip(together, settings)], dtype="f32")
    singles = [muonc.torch.Muon([p], dtype="f32", **own) for p, own in zip(alone, settings)]
    for _ in range(3):
        for p, q in zip(together, alone):
            p.grad = torch.randn_like(p)
            q.grad = p.grad.clone()
        optimizer.step()
        for single in singles:
            single.step()
    for p, q in zip(together, alone):
        assert torch.equal(p, q)
    groups = optimizer.report()["program"]["groups"]
    assert [group["parameters"] for group in groups] == [2, 1]  # nesterov is another step


def test_a_group_added_during_training():
    shapes = [*SHAPES, (20, 30)]
    ours, peers = matrices(shapes), matrices(shapes)
    mine, theirs = muonc.torch.Muon(ours[:2], lr=0.05, dtype="f32"), torch.optim.Muon(peers[:2], lr=0.05)
    for step in range(6):
        if step == 3:
            mine.add_param_group({"params": ours[2:], "lr": 0.01})
            theirs.add_param_group({"params": peers[2:], "lr": 0.01})
        step_both(mine, ours, theirs, peers, step)
    assert_together(ours, peers)


@pytest.mark.parametrize("way", ["copy", "pickle", "file"])
def test_state_dict_round_trips_bit_for_bit(way):
    mine, ours, _, _ = pair(lr=0.05)
    for step in range(3):
        give(ours, gradients(SHAPES, step))
        mine.step()
    twins = [torch.nn.Parameter(p.detach().clone()) for p in ours]
    other = muonc.torch.Muon(twins, dtype="f32")
    saved = copy.deepcopy(mine.state_dict())  # loading shares the tensors, as in torch
    if way == "pickle":
        saved = pickle.loads(pickle.dumps(saved))
    elif way == "file":
        file = io.BytesIO()
        torch.save(saved, file)
        saved = torch.load(io.BytesIO(file.getvalue()))
    other.load_state_dict(saved)
    for step in range(3, 5):
        for optimizer, parameters in ((mine, ours), (other, twins)):
            give(parameters, gradients(SHAPES, step))
            optimizer.step()
    for p, q in zip(ours, twins):
        assert torch.equal(p, q)


def test_a_state_dict_of_torch_loads_and_ours_loads_into_torch():
    mine, ours, theirs, peers = pair(lr=0.05)
    for step in range(3):
        step_both(mine, ours, theirs, peers, step)
    for p, q in zip(ours, peers):
        p.data.copy_(q.data)
    starts = [p.detach().clone() for p in peers]
    crossed = muonc.torch.Muon(ours, lr=1.0, dtype="f32")
    crossed.load_state_dict(copy.deepcopy(theirs.state_dict()))
    back = [torch.nn.Parameter(p.detach().clone()) for p in peers]
    torch_again = torch.optim.Muon(back, lr=1.0)
    torch_again.load_state_dict(copy.deepcopy(mine.state_dict()))
    assert crossed.param_groups[0]["lr"] == torch_again.param_groups[0]["lr"] == 0.05
    for optimizer, parameters in ((crossed, ours), (theirs, peers), (torch_again, back)):
        give(parameters, gradients(SHAPES, 3))
        optimizer.step()
    assert_together(ours, peers, starts)
    assert_together(back, peers, starts)


def test_a_state_dict_of_torch_leaves_a_presets_scalars():
    ours, peers = matrices(SHAPES), matrices(SHAPES)
    mine = muonc.torch.Muon([{"params": ours, "beta2": 0.9}], preset="normuon")
    theirs = torch.optim.Muon(peers, lr=0.05)
    step_both(mine, ours, theirs, peers, 0)
    mine.load_state_dict(copy.deepcopy(theirs.state_dict()))
    assert mine.param_groups[0]["beta2"] == 0.9 and mine.param_groups[0]["lr"] == 0.05
    step_both(mine, ours, theirs, peers, 1)


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))], ids=["deepcopy", "pickle"]
)
def test_copies_of_the_whole_optimizer_go_on_alone(duplicate):
    mine, ours, _, _ = pair(lr=0.05)
    give(ours, gradients(SHAPES, 0))
    mine.step()
    other = duplicate(mine)
    twins = other.param_groups[0]["params"]
    assert other._settings == mine._settings
    for optimizer, parameters in ((mine, ours), (other, twins)):
        give(parameters, gradients(SHAPES, 1))
        optimizer.step()
    for p, q in zip(ours, twins):
        assert torch.equal(p, q) and p.data_ptr() != q.data_ptr()


def test_hooks_and_closures():
    mine, ours, _, _ = pair(lr=0.05)
    calls = []
    mine.register_step_pre_hook(lambda *_: calls.append("before"))
    mine.register_step_post_hook(lambda *_: calls.append("after"))

    def closure():
        assert torch.is_grad_enabled()
        mine.zero_grad()
        loss = sum((p**2).sum() for p in ours)
        loss.backward()
        calls.append("closure")
        return loss

    first = mine.step(closure)
    assert calls == ["before", "closure", "after"]
    assert mine.step(closure).item() < first.item()


def test_grad_scaler_unscales_and_skips():
    mine, ours, theirs, peers = pair(lr=0.05)
    results = []
    for optimizer, parameters in ((mine, ours), (theirs, peers)):
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        for step in range(4):
            optimizer.zero_grad()
            loss = sum((p * g).sum() for p, g in zip(parameters, gradients(SHAPES, step)))
            if step == 2:
                loss = loss * float("inf")
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        results.append(scaler.get_scale())
    assert results[0] == results[1] == 512.0
    assert_together(ours, peers)


def test_gradients_move_and_vanish():
    mine, ours, theirs, peers = pair(lr=0.05)
    held = []
    for step in range(6):
        values = gradients(SHAPES, step)
        for parameters in (ours, peers):
            give(parameters, values)
            held.append([p.grad for p in parameters])  # so that the next ones live elsewhere
            if step % 2:
                parameters[step % 3].grad = None
        for optimizer in (mine, theirs):
            optimizer.step()
            optimizer.zero_grad(set_to_none=step % 3 == 0)
    assert_together(ours, peers)


def test_a_parameter_has_no_state_before_its_first_gradient():
    mine, ours, theirs, peers = pair(lr=0.05)
    values = gradients(SHAPES, 0)
    give(ours[:2], values)
    give(peers[:2], values)
    before = ours[2].detach().clone()
    mine.step()
    theirs.step()
    assert ours[2] not in mine.state and torch.equal(ours[2], before)
    assert len(mine.state_dict()["state"]) == len(theirs.state_dict()["state"]) == 2
    for step in range(1, 3):
        step_both(mine, ours, theirs, peers, step)
    assert len(mine.state_dict()["state"]) == 3
    assert_together(ours, peers)


def test_a_step_without_any_gradient_does_nothing():
    mine = pair()[0]
    assert mine.step() is None
    assert not mine.state
    with pytest.raises(RuntimeError, match="nothing is compiled"):
        mine.report()


def test_frozen_parameters_wait():
    mine, ours, theirs, peers = pair(lr=0.05)
    for parameters, optimizer in ((ours, mine), (peers, theirs)):
        parameters[1].requires_grad_(False)
        give(parameters[:1], gradients(SHAPES[:1], 0))
        optimizer.step()
        parameters[1].requires_grad_(True)
    step_both(mine, ours, theirs, peers, 1)
    assert_together(ours, peers)


def test_transposed_and_flat_buffer_views():
    def views(values):
        a, b, c = (v.detach() for v in values)
        flat = torch.cat([a.flatten(), c.flatten()])
        return flat, [
            torch.nn.Parameter(t)
            for t in (flat[: a.numel()].view_as(a), b.t().contiguous().t(), flat[a.numel() :].view_as(c))
        ]

    flat, ours = views(matrices(SHAPES))
    peers = matrices(SHAPES)
    address = flat.data_ptr()
    mine, theirs = muonc.torch.Muon(ours, lr=0.05, dtype="f32"), torch.optim.Muon(peers, lr=0.05)
    for step in range(4):
        values = gradients(SHAPES, step)
        give(peers, values)
        grad_flat = torch.cat([values[0].flatten(), values[2].flatten()])
        ours[0].grad = grad_flat[: values[0].numel()].view_as(values[0])
        ours[1].grad = values[1].t().contiguous().t() if step % 2 else values[1].clone()
        ours[2].grad = grad_flat[values[0].numel() :].view_as(values[2])
        mine.step()
        theirs.step()
    assert flat.data_ptr() == address and ours[0].data_ptr() == address
    assert_together(ours, peers)


def test_rows_of_a_wider_matrix_and_expanded_gradients():
    wide = torch.zeros(24, 64)
    ours = [torch.nn.Parameter(wide[:, 8:32]), torch.nn.Parameter(wide[:, 40:56].t())]
    peers = [torch.nn.Parameter(torch.zeros(24, 24)), torch.nn.Parameter(torch.zeros(16, 24))]
    mine, theirs = muonc.torch.Muon(ours, lr=0.05, dtype="f32"), torch.optim.Muon(peers, lr=0.05)
    for step in range(3):
        column = torch.full((24, 1), 0.5 + step).expand(24, 24)
        block = gradients([(32, 48)], step)[0][::2, ::2]
        for parameters in (ours, peers):
            parameters[0].grad, parameters[1].grad = column, block
        mine.step()
        theirs.step()
    assert (wide[:, :8] == 0).all() and (wide[:, 32:40] == 0).all() and (wide[:, 56:] == 0).all()
    assert_together(ours, peers, [torch.zeros(24, 24), torch.zeros(16, 24)])


def test_parameters_may_move():
    mine, ours, theirs, peers = pair(lr=0.05)
    step_both(mine, ours, theirs, peers, 0)
    for p in ours:
        p.data = p.data.clone()
    mine.state[ours[0]]["momentum_buffer"] = mine.state[ours[0]]["momentum_buffer"].clone()
    step_both(mine, ours, theirs, peers, 1)
    assert_together(ours, peers)


def test_autograd_sees_that_weights_changed():
    mine, ours, _, _ = pair(lr=0.05)
    x = torch.ones(3, 24, requires_grad=True)
    loss = (x @ ours[0]).sum()
    give(ours, gradients(SHAPES, 0))
    mine.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_empty_parameters_and_no_leaks():
    parameter = torch.nn.Parameter(torch.zeros(0, 8))
    mine = muonc.torch.Muon([parameter, *matrices([(8, 8)])], dtype="f32")
    parameter.grad = torch.zeros(0, 8)
    mine.param_groups[0]["params"][1].grad = torch.ones(8, 8)
    mine.step()
    assert mine.state[parameter]["momentum_buffer"].shape == (0, 8)
    plan = weakref.ref(mine._plan)
    del mine
    gc.collect()
    assert plan() is None


def test_named_parameters():
    named = [(f"layer{i}", p) for i, p in enumerate(matrices(SHAPES))]
    mine = muonc.torch.Muon(named, lr=0.05, dtype="f32")
    give([p for _, p in named], gradients(SHAPES, 0))
    mine.step()
    assert mine.state_dict()["param_groups"][0]["param_names"] == ["layer0", "layer1", "layer2"]


def test_beside_torchs_own_threads():
    threads = torch.get_num_threads()
    mine, ours, theirs, peers = pair([(128, 128), (64, 200)], lr=0.05)
    try:
        for step, count in enumerate((2, 1, 2, threads)):
            torch.set_num_threads(count)
            torch.randn(300, 300) @ torch.randn(300, 300)
            step_both(mine, ours, theirs, peers, step)
    finally:
        torch.set_num_threads(threads)
    assert_together(ours, peers)


def test_training_a_small_model_goes_down_as_with_torch():
    losses = {}
    for kind in (muonc.torch.Muon, torch.optim.Muon):
        torch.manual_seed(0)
        model = torch.nn.Sequential(
            torch.nn.Linear(16, 64, bias=False), torch.nn.Tanh(), torch.nn.Linear(64, 16, bias=False)
        )
        data = torch.randn(64, 16)
        optimizer = kind(muonc.split_parameters(model)[0], lr=0.02, weight_decay=0.0)
        for _ in range(30):
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(model(data), data.flip(1))
            loss.backward()
            optimizer.step()
        losses[kind] = loss.item()
    mine, theirs = losses.values()
    assert mine < 0.5 and abs(mine - theirs) < 0.05 * theirs
