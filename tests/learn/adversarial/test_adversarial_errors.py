"""Every complaint names its site, player, option or layer, and a cure."""

import dataclasses

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch import nn

import probgen as pg
from probgen.errors import DataError, ModelError, OptionError, TrainingError
from probgen.learn.adversarial.checks import check_batch
from tests.learn.adversarial.drive import info_of
from tests.learn.adversarial.programs import (
    Coded,
    Labelled,
    Paired,
    Pictures,
    Points,
    Score,
    made,
    network,
    normal_points,
)

X = normal_points(40)
Y = torch.arange(40) % 3
PICTURES = torch.rand(40, 1, 8, 8) * 2 - 1


def fit(model, method=None, data=None, **options):
    settings = {"epochs": 1, "batch_size": 20, "progress": False, **options}
    return pg.fit(
        model, method or pg.Adversarial(), data={"x": X} if data is None else data, **settings
    )


def sampled(name, law, **more):
    return pyro.sample(name, law, **more)


class Hidden(Points):
    """With a latent site h, and a guide that draws g."""

    def forward(self, x=None):
        with pyro.plate("case", 1 if x is None else len(x)):
            z = pyro.sample("z", dist.Normal(self.zero, 1.0).to_event(1))
            h = pyro.sample("h", pg.Implicit(self.generator(z)))
            return pyro.sample("x", pg.Implicit(h + 1), obs=x)


def test_a_site_of_the_program_only():
    with pytest.raises(
        ModelError, match="needs a guide, since the site 'h' of the game is in the"
    ):
        fit(Hidden(), pg.Adversarial(sites=("x", "h")))

    def guide(x):
        pyro.sample("g", dist.Normal(x, 1.0))

    method = pg.Adversarial(sites=("x", "h"), guide=guide, game=pg.games.Bidirectional())
    with pytest.raises(ModelError, match=r"'h' of the game is in the program only.*guide \('g'\)"):
        fit(Hidden(), method)


def test_a_site_that_is_not_in_the_program():
    with pytest.raises(ModelError, match=r"'g' of the game is not in the program.*'z', 'x'"):
        fit(Points(), pg.Adversarial(sites=("x", "g")))


def test_a_guide_that_has_nothing_to_do():
    with pytest.raises(OptionError, match=r"Adversarial\(guide=\.\.\.\): the data have all sites"):
        fit(Points(), pg.Adversarial(guide=network(2, 4)))


def test_a_guide_in_a_game_that_does_not_teach_it():
    with pytest.raises(OptionError, match=r"guide draws 'z' for the real side.*Bidirectional\(\)"):
        fit(Paired(), pg.Adversarial(sites=("x", "z")))


def test_no_critic():
    class Bare(Points):
        def __init__(self):
            super().__init__()
            del self.critic

    with pytest.raises(ModelError, match=r"Bare has no critic.*Adversarial\(critic=module\)"):
        fit(Bare())
    with pytest.raises(OptionError, match="must be a module"):
        fit(Bare(), pg.Adversarial(critic=dict))
    with pytest.raises(OptionError, match=r"called without arguments .*'x'.* give a module"):
        fit(Bare(), pg.Adversarial(critic=lambda x: x.sum(1)))


def test_a_factor_is_nothing_that_draws_follow():
    class Weighed(Points):
        def forward(self, x=None):
            with pyro.plate("case", 1 if x is None else len(x)):
                z = pyro.sample("z", dist.Normal(self.zero, 1.0).to_event(1))
                pyro.factor("weight", z.sum(-1))
                pyro.sample("x", pg.Implicit(self.generator(z)), obs=x)

    with pytest.raises(ModelError, match="The factor 'weight' weighs runs of the program"):
        fit(Weighed(), pg.Adversarial(sites="x"))
    with pytest.raises(ModelError, match="The factor 'weight' weighs"):
        fit(Weighed())


def test_a_class_of_penalties_is_no_penalty():
    with pytest.raises(OptionError, match=r"Adversarial\(penalties=.*R1.*give values such as"):
        pg.Adversarial(penalties=pg.penalties.R1)


@pytest.mark.parametrize("critic", [Score(3), Score(2, 16).body, nn.Linear(2, 1)])
def test_a_critic_that_does_not_fit(critic):
    said = {
        "Score": r"critic \(Score\) cannot take the real values of the sites x \(2, 2\)",
        "Sequential": r"gives \(2, 16\) for 2 rows of x \(2, 2\): scores have the shape \(row,\)",
        "Linear": r"gives \(2, 1\) for 2 rows.*squeeze\(-1\)",
    }[type(critic).__name__]
    with pytest.raises(ModelError, match=said):
        fit(Points(), pg.Adversarial(critic=critic))


def test_a_critic_without_what_the_game_needs():
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = network(2, 1)

        def forward(self, x):
            return self.net(x).squeeze(-1)

    with pytest.raises(ModelError, match="FeatureMatching needs the critic's features"):
        fit(Points(), pg.Adversarial(critic=Plain, game=pg.games.FeatureMatching()))
    with pytest.raises(ModelError, match="PullingAway needs the critic's codes"):
        fit(Points(), pg.Adversarial(critic=Plain, penalties=(pg.penalties.PullingAway(),)))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"batch_size": 1},
            r"batch_size=1 has batches of 1 row.*layer 'generator.1' \(BatchNorm2d",
        ),
        ({"batch_size": 13}, r"batch_size=13 leaves 1 of 40 rows over"),
    ],
)
def test_batch_statistics_of_one_row(options, said):
    with pytest.raises(OptionError, match=said):
        fit(Pictures(), data={"x": PICTURES}, **options)


@pytest.mark.parametrize(
    ("data", "cure"),
    [
        (PICTURES.abs() * 16, r"x / 8 - 1"),
        (PICTURES.abs() * 255, r"x / 127.5 - 1"),
        (PICTURES * 3, r"scale the data to that range"),
    ],
)
def test_data_outside_the_range_of_tanh(data, cure):
    with pytest.raises(DataError, match=rf"site 'x' by tanh, between -1 and 1: .*{cure}"):
        fit(Pictures(), data={"x": data})


def test_data_in_half_the_range_of_tanh_are_noted():
    fitted = fit(Pictures(), data={"x": PICTURES.abs()})
    assert "2 * x - 1 would use the whole range" in " ".join(fitted.summary["notes"])


def test_rows_of_another_shape():
    class Flat(Points):
        def forward(self, x=None):
            with pyro.plate("case", 1 if x is None else len(x)):
                z = pyro.sample("z", dist.Normal(self.zero, 1.0).to_event(1))
                return pyro.sample("x", pg.Implicit(self.generator(z)[:, :1]), obs=x)

    with pytest.raises(DataError, match=r"rows of shape \(2,\), and the site 'x' takes \(1,\)"):
        fit(Flat())


def test_codes_that_are_missing():
    with pytest.raises(ModelError, match="needs a guide, since the site 'c' is a code"):
        fit(Points(), pg.Adversarial(codes={"c": 1.0}))
    with pytest.raises(ModelError, match=r"code 'd' is not in the guide, which draws 'c'"):
        fit(Coded(), pg.Adversarial(codes={"d": 1.0}))

    def guide(x):
        pyro.sample("d", dist.Normal(x.sum(1), 1.0))

    with pytest.raises(
        ModelError, match=r"code 'd' is not in the program, which has 'z', 'c', 'x'"
    ):
        fit(Coded(), pg.Adversarial(codes={"d": 1.0}, guide=guide))
    with pytest.raises(ModelError, match=r"Code\('c', real=True\) needs values in the data"):
        fit(Coded(), pg.Adversarial(codes=(pg.Code("c", real=True),)))


@pytest.mark.parametrize("kind", [Coded, Paired])
def test_a_site_of_the_guide_that_nothing_has_a_use_for(kind):
    class More(kind):
        marks = None

        def guide(self, x):
            super().guide(x)
            with pyro.plate("more", len(x)):
                pyro.sample("noise", dist.Normal(x[:, 0], 1.0), infer=self.marks)

    method = (
        pg.Adversarial(codes={"c": 1.0})
        if kind is Coded
        else pg.Adversarial(sites=("x", "z"), game=pg.games.Bidirectional())
    )
    said = r"guide draws the site 'noise', which is neither in the program.*'is_auxiliary': True"
    with pytest.raises(ModelError, match=said):
        fit(More(), method)
    More.marks = {"is_auxiliary": True}
    fit(More(), method, watch=False)


def test_labels_that_some_rows_lack_have_the_name_of_their_site():
    class Other(Labelled):
        def forward(self, x=None, labels=None):
            if labels is not None:
                nn.functional.one_hot(labels)  # which -1 would break
            return super().forward(x, labels)

    some = torch.where(torch.arange(40) < 30, Y, -1)
    method = pg.Adversarial(sites=("x",), codes=(pg.Code("y", real=True),))
    said = r"data\['labels'\] has no value \(-1 or NaN\) in 10 of 40.*Call the argument 'y'"
    with pytest.raises(DataError, match=said):
        fit(Other(), method, {"x": X, "labels": some.flip(0)})
    fit(Other(), method, {"x": X, "labels": Y}, watch=False)


def test_a_code_without_a_density():
    with pytest.raises(ModelError, match="code 'z' has no density in the guide"):
        fit(Paired(), pg.Adversarial(codes={"z": 1.0}))


def test_a_compared_label_that_some_rows_lack():
    some = torch.where(torch.arange(40) < 30, Y, -1)
    model = Labelled(3)
    method = pg.Adversarial(codes=(pg.Code("y", real=True),))
    with pytest.raises(ModelError, match="'y' is compared by the critic, and some rows"):
        fit(model, method, {"x": X, "y": some})


class Bits(Points):
    """Observes what has no gradient."""

    def forward(self, x=None):
        with pyro.plate("case", 1 if x is None else len(x)):
            z = pyro.sample("z", dist.Normal(self.zero, 1.0).to_event(1))
            law = dist.Bernoulli(logits=self.generator(z)).to_event(1)
            return pyro.sample("x", law, obs=x)


def test_a_discrete_site_that_would_have_to_be_differentiated():
    with pytest.raises(ModelError, match=r"site 'x' of the program is Bernoulli.*no gradient"):
        fit(Bits(), data={"x": (X > 0).float()})


def test_a_program_that_learns_nothing():
    class Fixed(Points):
        def forward(self, x=None):
            with pyro.plate("case", 1 if x is None else len(x)):
                z = pyro.sample("z", dist.Normal(self.zero[:2], 1.0).to_event(1))
                return pyro.sample("x", pg.Implicit(z), obs=x)

    with pytest.raises(ModelError, match=r"None of the sites compared \('x'\) depends on the"):
        fit(Fixed())


def test_augmentations_of_what_is_no_picture():
    method = pg.Adversarial(augment=(pg.augmentations.DiffAugment("cutout"),))
    with pytest.raises(ModelError, match=r"DiffAugment takes images.*x \(2, 2\)"):
        fit(Points(), method)
    method = pg.Adversarial(augment=(pg.augmentations.InstanceNoise(sites="y"),))
    with pytest.raises(ModelError, match="'y' is no site of the game"):
        fit(Points(), method)


def test_a_penalty_on_a_site_that_is_not_there():
    method = pg.Adversarial(penalties=(pg.penalties.Diversity("x", "u"),))
    with pytest.raises(ModelError, match=r"Diversity\('x', 'u'\): the site 'u' is not in the"):
        fit(Points(), method)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"learning_rate": 0.0}, "learning_rate=0.0"),
        ({"critic_learning_rate": -1.0}, "critic_learning_rate=-1.0"),
        ({"betas": (0.5, 1.0)}, r"betas=\(0.5, 1.0\)"),
        ({"betas": 0.5}, "betas=0.5"),
        ({"game": "hinge"}, r"game='hinge'.*pg.games.Hinge\(\)"),
        ({"penalties": (10.0,)}, r"penalties=\(10.0,\)"),
        ({"penalties": (pg.games.Hinge(),)}, "penalties="),
        ({"codes": {"c": -1.0}}, r"Code\(weight=-1.0\)"),
        ({"codes": ("c", "c")}, "'c' has two codes"),
        ({"codes": 3}, "codes=3"),
        ({"schedule": 5}, r"schedule=5.*pg.Alternate\(critic=5\)"),
        ({"augment": ("noise",)}, "augment="),
        ({"sites": ()}, r"sites=\(\)"),
        ({"sites": ("x", "x")}, "each once"),
        ({"critic": 3}, "critic=3"),
        ({"guide": "encoder"}, "guide='encoder'"),
        ({"optimiser": 3}, "optimiser=3"),
    ],
)
def test_options_out_of_range(options, said):
    with pytest.raises(OptionError, match=said):
        pg.Adversarial(**options)


class Breaking(nn.Module):
    """A critic that gives NaN from its fifth turn on; one that gives it for gradients alone."""

    def __init__(self, how):
        super().__init__()
        self.net, self.how, self.calls = network(2, 1), how, 0

    def forward(self, x):
        self.calls += self.training
        scores = self.net(x).squeeze(-1)
        if self.calls > 12:
            if self.how == "scores":
                scores = scores * float("nan")
            elif x.requires_grad and self.how == "penalty":
                scores = scores + (x - x).abs().sqrt().sum(1)
        return scores


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (
            "scores",
            r"the critic's loss is not finite: the critic is at fault, which gives nan for rows "
            r"of the data, at step 5",
        ),
        (
            "penalty",
            r"the critic's loss is not finite: r1 \(the critic's penalty.*is nan, at step 5",
        ),
    ],
)
def test_a_critic_that_breaks(how, said, tmp_path):
    method = pg.Adversarial(critic=lambda: Breaking(how), penalties=(pg.penalties.R1(),))
    with pytest.raises(TrainingError, match=said) as raised:
        fit(Points(), method, epochs=9, store=tmp_path / "run", checkpoint_steps=1)
    assert "keeps the checkpoint of step" in str(raised.value)
    for part in (raised.value.fit.model, raised.value.fit.parts["critic"]):
        assert all(torch.isfinite(p).all() for p in part.parameters())


def test_a_program_that_breaks():
    class Growing(Points):
        def forward(self, x=None):
            with pyro.plate("case", 1 if x is None else len(x)):
                z = pyro.sample("z", dist.Normal(self.zero, 1.0).to_event(1))
                out = self.generator(z)
                if self.training:
                    self.zero.sub_(0.5)
                    out = out + self.zero[0].add(2.6).log()
                return pyro.sample("x", pg.Implicit(out), obs=x)

    with pytest.raises(TrainingError, match="the program draws NaN or infinity at the site 'x'"):
        fit(Growing(), epochs=9)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"critic_learning_rate": 1e20},
            r"program's loss is not finite: the critic is at fault, which gives nan for draws "
            r"that are finite; the critic's parameter 'critic\..*: lower critic_learning_rate, at "
            r"step 1",
        ),
        (
            {"critic_learning_rate": 1e10, "penalties": (pg.penalties.R1(),)},
            r"critic's loss is not finite: r1 \(the critic's penalty.*is inf; the critic's "
            r"parameter 'critic\..* has grown to 1e\+10: lower critic_learning_rate, at step 2",
        ),
        (
            {"critic_learning_rate": 1e25, "game": pg.games.FeatureMatching()},
            r"program's loss is not finite: program \(.*is inf; the critic's parameter.*at step 1",
        ),
        (
            {"learning_rate": 1e20, "critic_learning_rate": 1e-3},
            r"critic's loss is not finite: the program draws NaN or infinity at the site 'x'; the "
            r"program's parameter 'generator\..*: lower learning_rate, at step 2",
        ),
    ],
)
def test_a_rate_that_is_far_too_high_is_told_of_its_player(options, said):
    with pytest.raises(TrainingError, match=said):
        fit(made(Points), pg.Adversarial(**options), epochs=3, watch=False)


def test_draws_that_run_away_are_no_fault_of_the_critic():
    class Far(Points):
        def forward(self, x=None):
            with pyro.plate("case", 1 if x is None else len(x)):
                z = pyro.sample("z", dist.Normal(self.zero, 1.0).to_event(1))
                return pyro.sample("x", pg.Implicit(1e25 * self.generator(z)), obs=x)

    class Square(Score):
        def forward(self, x):
            return super().forward(x.square())

    said = r"the program is at fault, which draws \S+e\+2\d at the site 'x', where the largest of"
    with pytest.raises(TrainingError, match=said):
        fit(made(Far, critic=Square()), watch=False)


def test_rows_with_nan_are_refused_before_training():
    bad = X.clone()
    bad[3, 1] = float("nan")
    with pytest.raises(DataError, match=r"data\['x'\] holds nan \(row 3, entry \[1\]\)"):
        fit(Points(), data={"x": bad})


def test_patience_watches_a_distance_without_the_critic():
    fitted = fit(made(Points), validation=0.3, patience=2, epochs=40)
    history = fitted.tree["history"]
    found = history["validation_energy_distance"].values
    assert len(found) == min(int(found.argmin()) + 3, 40)
    assert "validation_critic" in history


class Detached(Score):
    def forward(self, *values):
        return super().forward(*(v.detach() for v in values))


@pytest.mark.parametrize("penalty", [pg.penalties.R1(), pg.penalties.GradientPenalty()])
def test_a_penalty_that_has_nothing_to_differentiate(penalty):
    said = rf"{type(penalty).__name__} differentiates the critic's scores.*none of 'x'"
    with pytest.raises(ModelError, match=said):
        fit(Points(), pg.Adversarial(critic=Detached, penalties=(penalty,)))


def test_a_consistency_that_has_nothing_to_change():
    penalty = pg.penalties.Consistency(pg.augmentations.DiffAugment("flip"))
    with pytest.raises(ModelError, match=r"DiffAugment takes images.*x \(2, 2\)"):
        fit(Points(), pg.Adversarial(penalties=(penalty,)))


@pytest.mark.parametrize("game", [pg.games.Energy(), pg.games.LeastSquares()])
def test_adaptive_augmentation_in_a_game_whose_scores_have_no_sign(game):
    method = pg.Adversarial(game=game, augment=(pg.augmentations.ADA("flip"),))
    with pytest.raises(OptionError, match=rf"ADA\(\).*{type(game).__name__}: take DiffAugment"):
        fit(Pictures(), method, {"x": PICTURES})


@pytest.mark.parametrize(("rows", "world", "fits"), [
    (33, 1, False), (34, 1, True), (35, 2, False), (36, 2, True), (32, 2, True), (32, 16, True),
    (32, 17, False),
])  # fmt: skip
def test_batches_are_split_among_processes(rows, world, fits):
    """Every process needs two rows of each batch where rows are normalised by each other."""
    info = dataclasses.replace(info_of({"x": normal_points(rows)}, 32), world=world)
    layer = {"guide": nn.Sequential(nn.BatchNorm1d(2)), "program": None}
    if fits:
        check_batch(layer, info)
    else:
        with pytest.raises(OptionError, match=r"batch_size=32.*the guide's layer '0'"):
            check_batch(layer, info)
    layer["guide"].eval()
    check_batch(layer, info)
