"""What a step computes, for whom, and how often."""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch.nn.functional import cross_entropy, softmax, softplus

import probgen as pg
from probgen.errors import OptionError
from probgen.learn.adversarial.once import Once
from probgen.nets.dense import DenseCritic
from tests.learn.adversarial.drive import counted, made_learner, one_step
from tests.learn.adversarial.programs import (
    Coded,
    Labelled,
    Paired,
    Pictures,
    Points,
    made,
    normal_points,
)

X = normal_points(32)
DATA = {"x": X}
R1 = pg.penalties.R1


def test_players_leave_each_others_gradients_alone():
    model = made(Points)
    found, _ = one_step(pg.Adversarial(penalties=(R1(),)), model, DATA)
    critic, program = model.critic.parameters(), model.generator.parameters()
    assert all(g is not None for g in found.of("critic", critic))
    assert all(g is None for g in found.of("critic", program))
    critic, program = model.critic.parameters(), model.generator.parameters()
    assert all(g is None for g in found.of("program", critic))
    assert all(g is not None for g in found.of("program", program))
    assert all(p.requires_grad for p in model.parameters())  # as they were


def test_gradients_are_those_of_the_losses_by_hand():
    model = made(Points)
    found, metrics = one_step(pg.Adversarial(penalties=(R1(2.0),)), model, DATA, seed=5)
    torch.manual_seed(5)
    fake = model.generator(torch.randn(32, 4))
    real = X.clone().requires_grad_()
    scores = model.critic(real)
    (slope,) = torch.autograd.grad(scores.sum(), real, create_graph=True)
    loss = softplus(-scores).mean() + softplus(model.critic(fake.detach())).mean()
    penalised = loss + slope.square().sum(1).mean()
    wanted = torch.autograd.grad(penalised, list(model.critic.parameters()))
    got = found.of("critic", model.critic.parameters())
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other)
    wanted = torch.autograd.grad(
        softplus(-model.critic(fake)).mean(), list(model.generator.parameters())
    )
    got = found.of("program", model.generator.parameters())
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(metrics["critic"], loss.detach())
    torch.testing.assert_close(metrics["r1"], slope.square().sum(1).mean().detach() / 2)


def test_a_step_draws_once_and_scores_each_side_once_for_each_player():
    model = made(Points)
    learner, loop = made_learner(pg.Adversarial(penalties=(R1(),)), model, DATA)
    with counted(model.generator) as drawn, counted(model.critic.body) as scored:
        learner.step(DATA, loop)
    assert drawn == [32]
    assert scored == [32, 32, 32]  # real, fake; fake again by the critic as it has become


def test_layers_of_critic_and_guide_are_computed_once():
    model = made(Coded)
    learner, loop = made_learner(pg.Adversarial(codes={"c": 1.0}), model, DATA)
    assert learner.setup.shared == [model.critic.body]
    with counted(model.critic.body[0]) as scored:
        learner.step(DATA, loop)
    assert scored == [32, 32, 32]
    assert "forward" not in vars(model.critic.body)  # nothing is left behind


def test_what_is_computed_once_has_the_gradients_of_what_is_not():
    method = pg.Adversarial(codes=(pg.Code("y", real=True),), sites=("x",), penalties=(R1(),))
    data = {"x": X, "y": torch.arange(32) % 3}
    found, metrics = one_step(method, made(Labelled), data)
    model = made(Labelled)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Once, "__enter__", lambda once: None)
        patch.setattr(Once, "__exit__", lambda once, *error: None)
        again, same = one_step(method, model, data)
    torch.testing.assert_close(metrics, same)
    for player in ("critic", "program"):
        mine, other = found.found[player].values(), again.found[player].values()
        for one, two in zip(mine, other, strict=True):
            torch.testing.assert_close(one, two)


def test_turns_of_players():
    assert [pg.Alternate(3).turns(step) for step in range(4)] == [
        (True, False),
        (True, False),
        (True, True),
        (True, False),
    ]
    assert [pg.Alternate(1, 2).turns(step) for step in range(3)] == [
        (True, True),
        (False, True),
        (True, True),
    ]
    for turns in (pg.Alternate(), pg.Alternate(5), pg.Alternate(1, 3), pg.Alternate(4, 3)):
        done = [0, 0]
        for step in range(25):
            assert turns.done(step) == tuple(done)
            done = [n + turn for n, turn in zip(done, turns.turns(step), strict=True)]
    with pytest.raises(OptionError, match=r"Alternate\(critic=0\)"):
        pg.Alternate(0)


def test_the_program_waits_while_the_critic_has_several_turns():
    model = made(Points)
    learner, loop = made_learner(pg.Adversarial(schedule=pg.Alternate(critic=3)), model, DATA)
    before = model.generator[0].weight.detach().clone()
    metrics = []
    for _ in range(3):
        assert torch.equal(model.generator[0].weight, before)
        metrics.append(learner.step(DATA, loop))
        loop.end_step()
    assert not torch.equal(model.generator[0].weight, before)
    assert ["program" in found for found in metrics] == [False, False, True]
    assert all("critic" in found for found in metrics)


@pytest.mark.parametrize("turns", [pg.Alternate(), pg.Alternate(1, 2), pg.Alternate(3, 1)])
def test_lazy_penalties_are_eager_ones_on_average(turns):
    """Over a period the gradients of the critic's turns add up to the same."""
    total = {}
    for every in (1, 4):
        found = []
        method = pg.Adversarial(penalties=(R1(2.0, every=every),), schedule=turns)
        for step in range(4 * turns.cycle * 3):
            if turns.turns(step)[0]:
                got, _ = one_step(method, made(Points), DATA, clock=step)
                found.append(torch.cat([g.flatten() for g in got.found["critic"].values()]))
        total[every] = torch.stack(found).mean(0)
    torch.testing.assert_close(total[1], total[4])


def test_information_reaches_program_and_guide():
    """In each player's step its own parameters, and no others."""
    model = made(Coded)
    found, metrics = one_step(pg.Adversarial(codes={"c": 1.0}), model, DATA)
    without, _ = one_step(pg.Adversarial(), made(Coded), DATA)
    assert all(g is not None for g in found.of("critic", model.reader.parameters()))
    assert all(g is None for g in found.of("program", model.reader.parameters()))
    with_code = found.of("program", model.generator.parameters())
    for one, other in zip(with_code, without.found["program"].values(), strict=True):
        assert not torch.allclose(one, other)
    assert metrics["code_c"].item() == pytest.approx(math.log(3), abs=0.3)


def test_information_by_hand():
    model = made(Coded)
    found, metrics = one_step(pg.Adversarial(codes={"c": 2.0}), model, DATA, seed=3)
    torch.manual_seed(3)
    z = torch.randn(32, 4)
    c = torch.distributions.OneHotCategorical(model.even.expand(32, 3)).sample()
    fake = model.generator(torch.cat([z, c], 1))
    surprise = cross_entropy(model.reader(model.critic.body(fake)), c.argmax(1))
    torch.testing.assert_close(metrics["code_c"], surprise.detach())
    loss = softplus(-model.critic(fake)).mean() + 2 * surprise
    wanted = torch.autograd.grad(loss, list(model.generator.parameters()))
    got = found.of("program", model.generator.parameters())
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other)


def same(got, wanted):
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_feature_matching_by_hand():
    """The program's loss is of the critic's features, and nothing else teaches it."""
    model = made(Points)
    found, metrics = one_step(pg.Adversarial(game=pg.games.FeatureMatching()), model, DATA, seed=3)
    torch.manual_seed(3)
    fake = model.generator(torch.randn(32, 4))
    apart = model.critic.features(X).mean(0) - model.critic.features(fake).mean(0)
    loss = apart.square().mean()
    torch.testing.assert_close(metrics["program"], loss.detach())
    program = list(model.generator.parameters())
    same(found.of("program", program), torch.autograd.grad(loss, program))


def test_energy_and_pulling_away_by_hand():
    method = pg.Adversarial(
        game=pg.games.Energy(1.0), penalties=(pg.penalties.PullingAway(0.3, every=2),)
    )
    model = made(Points)
    found, metrics = one_step(method, model, DATA, seed=3)
    torch.manual_seed(3)
    fake = model.generator(torch.randn(32, 4))
    codes = model.critic.codes(fake)
    cosine = torch.cosine_similarity(codes[:, None], codes[None], dim=-1)
    alike = (cosine.square().sum() - 32) / (32 * 31)
    torch.testing.assert_close(metrics["pulling_away"], alike.detach())
    program, critic = (list(m.parameters()) for m in (model.generator, model.critic))
    loss = model.critic(fake).mean() + 2 * 0.3 * alike  # each second time, and twice
    same(found.of("program", program), torch.autograd.grad(loss, program, retain_graph=True))
    loss = model.critic(X).mean() + (1 - model.critic(fake.detach())).clamp(min=0).mean()
    same(found.of("critic", critic), torch.autograd.grad(loss, critic))


def test_rows_of_one_number():
    """Sites without a dimension of their own, penalised, compared and held out."""

    class Number(Points):
        def forward(self, x=None):
            with pyro.plate("case", 1 if x is None else len(x)):
                z = pyro.sample("z", dist.Normal(0.0, 1.0))
                pyro.sample("x", pg.Implicit(self.generator(z[:, None].repeat(1, 4))[:, 0]), obs=x)

    penalties = (R1(), pg.penalties.GradientPenalty(), pg.penalties.Diversity("x", "z"))
    method = pg.Adversarial(critic=DenseCritic(1, (8,)), penalties=penalties)
    learner, loop = made_learner(method, made(Number), {"x": X[:, 0]})
    metrics = {**learner.step({"x": X[:, 0]}, loop), **learner.validate({"x": X[:, 0]}, loop)}
    assert {"r1", "gradient_penalty", "diversity_x", "energy_distance"} <= metrics.keys()
    assert all(value.isfinite() for value in metrics.values())


def test_labels_that_are_not_there_do_not_count():
    y = torch.arange(32) % 3
    some = torch.where(torch.arange(32) < 20, y, -1)
    model = made(Labelled)
    method = pg.Adversarial(sites=("x",), codes=(pg.Code("y", real=True, fake=False),))
    logits = model.reader(model.critic.body(X))
    for given in (some, torch.where(some < 0, float("nan"), some.float())):
        _, metrics = one_step(method, made(Labelled), {"x": X, "y": given})
        wanted = cross_entropy(logits[:20], y[:20])
        torch.testing.assert_close(metrics["code_y_real"], wanted.detach())
        assert "code_y" not in metrics
    model = made(Labelled)
    gradients, metrics = one_step(method, model, {"x": X, "y": torch.full((32,), -1)})
    assert "code_y_real" not in metrics
    for found in gradients.of("critic", model.reader.parameters()):
        assert found is not None  # every process averages gradients of the same parameters
        assert not found.any()


def test_class_losses_can_fall_below_the_floor_of_a_second_softmax():
    """A critic that knows the labels: 0 nats, where a softmax twice cannot pass 0.55 of three."""
    data = {"x": X, "y": torch.arange(32) % 3}
    model = made(Labelled)
    method = pg.Adversarial(sites=("x",), codes=(pg.Code("y", real=True, fake=False),))
    learner, loop = made_learner(method, model, data)
    logits = 30 * torch.eye(3)[data["y"]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model.reader, "forward", lambda body: logits + 0 * body.sum())
        metrics = learner.step(data, loop)
    twice = cross_entropy(softmax(logits, 1), data["y"])
    assert metrics["code_y_real"] < 1e-6 < 0.5 < twice


def test_a_critic_of_logits_is_one_class_more():
    """1 - p(class K+1) = sigmoid(logsumexp(l)) where the logit of class K+1 is 0."""
    logits = torch.randn(8, 10)
    classes = softmax(torch.cat([logits, torch.zeros(8, 1)], 1), 1)
    torch.testing.assert_close(1 - classes[:, 10], torch.sigmoid(logits.logsumexp(1)))
    both = pg.games.NonSaturating().critic(logits.logsumexp(1), logits.logsumexp(1))
    unlabelled = -(1 - classes[:, 10]).log().mean() - classes[:, 10].log().mean()
    torch.testing.assert_close(both, unlabelled)


def test_a_guide_in_the_game_is_on_the_programs_side():
    model = made(Paired)
    method = pg.Adversarial(sites=("x", "z"), game=pg.games.Bidirectional())
    found, metrics = one_step(method, model, DATA, seed=2)
    assert all(g is None for g in found.of("critic", model.encoder.parameters()))
    got = found.of("program", model.encoder.parameters())
    torch.manual_seed(2)
    z = torch.randn(32, 4)
    real = model.critic(X, model.encoder(X))
    loss = softplus(real).mean() + softplus(-model.critic(model.generator(z), z)).mean()
    wanted = torch.autograd.grad(loss, list(model.encoder.parameters()))
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other)
    assert metrics["score_real"].item() == pytest.approx(real.mean().item(), abs=1e-5)


def test_an_argument_that_is_no_site_is_the_same_on_both_sides():
    class Given(Points):
        def forward(self, x=None, side=None):
            return super().forward(x)

    seen = []

    class Watching(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(()))

        def forward(self, x, side):
            seen.append(side)
            return x.sum(1) * self.weight

    data = {"x": X, "side": torch.arange(32.0)}
    one_step(pg.Adversarial(critic=Watching, sites=("x", "side")), made(Given), data)
    assert all(torch.equal(side, data["side"]) for side in seen if len(side) == 32)
    assert len([side for side in seen if len(side) == 32]) == 3


def test_diversity_holds_what_the_latent_does_not_move():
    def term(z_scale):
        class Scaled(Points):
            def forward(self, x=None):
                with pyro.plate("case", 1 if x is None else len(x)):
                    u = pyro.sample("u", dist.Normal(self.zero[:2], 1.0).to_event(1))
                    z = pyro.sample("z", dist.Normal(self.zero, 1.0).to_event(1))
                    w = pyro.sample("w", dist.Normal(self.zero[:2], 1.0).to_event(1))
                    value = 100 * (u + w) + z_scale * z[:, :2] + 0 * self.generator(z)
                    return pyro.sample("x", pg.Implicit(value), obs=x)

        penalty = pg.penalties.Diversity("x", "z")
        _, metrics = one_step(pg.Adversarial(penalties=(penalty,)), made(Scaled), DATA)
        return metrics["diversity_x"].item()

    assert term(0.0) == pytest.approx(0.0, abs=1e-6)  # u and w are those of the first run
    assert -4.0 < term(2.0) < -0.5


def test_batch_normalisation_sees_real_and_fake_rows_apart():
    model = made(Pictures)
    x = {"x": torch.rand(16, 1, 8, 8) * 2 - 1}
    learner, loop = made_learner(pg.Adversarial(), model, x, 16)
    norms = [part for part in model.modules() if hasattr(part, "num_batches_tracked")]
    assert [int(part.num_batches_tracked) for part in norms] == [0, 0]  # checks leave them alone
    learner.step(x, loop)
    assert [int(part.num_batches_tracked) for part in norms] == [1, 3]
    learner.players["program"].module.eval()
    with torch.no_grad():
        learner.validate(x, loop)
    assert [int(part.num_batches_tracked) for part in norms] == [1, 3]
