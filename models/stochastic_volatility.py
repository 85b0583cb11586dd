"""Stochastic volatility: log volatility as a random walk.

Source: Hoffman and Gelman (2014), "The No-U-Turn sampler", Journal of Machine Learning
Research 15:1593-1623, section 4.1; degrees of freedom after Juarez and Steel (2010),
Journal of Business and Economic Statistics 28:52-66, but above two: returns have a variance
(near zero lies a second mode that traps chains). The walk is written through its steps, so
that the day before does not pin the day after; it still asks for small sampler steps.
Data: daily closing price of IBM stock, 17 May 1961 to 2 November 1962 (369 days, with the
crash of May 1962): Box and Jenkins, Time Series Analysis: Forecasting and Control (1970),
series B.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

from probgen import NUTS

method = NUTS(target_accept=0.95)

CLOSING_PRICES = [
    460, 457, 452, 459, 462, 459, 463, 479, 493, 490, 492, 498, 499, 497, 496, 490, 489, 478,
    487, 491, 487, 482, 479, 478, 479, 477, 479, 475, 479, 476, 476, 478, 479, 477, 476, 475,
    475, 473, 474, 474, 474, 465, 466, 467, 471, 471, 467, 473, 481, 488, 490, 489, 489, 485,
    491, 492, 494, 499, 498, 500, 497, 494, 495, 500, 504, 513, 511, 514, 510, 509, 515, 519,
    523, 519, 523, 531, 547, 551, 547, 541, 545, 549, 545, 549, 547, 543, 540, 539, 532, 517,
    527, 540, 542, 538, 541, 541, 547, 553, 559, 557, 557, 560, 571, 571, 569, 575, 580, 584,
    585, 590, 599, 603, 599, 596, 585, 587, 585, 581, 583, 592, 592, 596, 596, 595, 598, 598,
    595, 595, 592, 588, 582, 576, 578, 589, 585, 580, 579, 584, 581, 581, 577, 577, 578, 580,
    586, 583, 581, 576, 571, 575, 575, 573, 577, 582, 584, 579, 572, 577, 571, 560, 549, 556,
    557, 563, 564, 567, 561, 559, 553, 553, 553, 547, 550, 544, 541, 532, 525, 542, 555, 558,
    551, 551, 552, 553, 557, 557, 548, 547, 545, 545, 539, 539, 535, 537, 535, 536, 537, 543,
    548, 546, 547, 548, 549, 553, 553, 552, 551, 550, 553, 554, 551, 551, 545, 547, 547, 537,
    539, 538, 533, 525, 513, 510, 521, 521, 521, 523, 516, 511, 518, 517, 520, 519, 519, 519,
    518, 513, 499, 485, 454, 462, 473, 482, 486, 475, 459, 451, 453, 446, 455, 452, 457, 449,
    450, 435, 415, 398, 399, 361, 383, 393, 385, 360, 364, 365, 370, 374, 359, 335, 323, 306,
    333, 330, 336, 328, 316, 320, 332, 320, 333, 344, 339, 350, 351, 350, 345, 350, 359, 375,
    379, 376, 382, 370, 365, 367, 372, 373, 363, 371, 369, 376, 387, 387, 376, 385, 385, 380,
    373, 382, 377, 376, 379, 386, 387, 386, 389, 394, 393, 409, 411, 409, 408, 393, 391, 388,
    396, 387, 383, 388, 382, 384, 382, 383, 383, 388, 395, 392, 386, 383, 377, 364, 369, 355,
    350, 353, 340, 350, 349, 358, 360, 360, 366, 359, 356, 355, 367, 357, 361, 355, 348, 343,
    330, 340, 339, 331, 345, 352, 346, 352, 357,
]  # fmt: skip


def stochastic_volatility(days: int, y: torch.Tensor | None = None) -> None:
    """`days`: length of the series; `y`: returns in percent, shape (day,)."""
    excess = pyro.sample("excess", dist.Gamma(2.0, 0.1))
    nu = pyro.deterministic("nu", 2.0 + excess)
    scale = pyro.sample("scale", dist.Exponential(10.0))
    start = pyro.sample("start", dist.Normal(0.0, 1.0))
    day = pyro.plate("day", days)
    with day:
        step = pyro.sample("step", dist.Normal(0.0, 1.0))
    log_volatility = start + scale * step.cumsum(-1)
    with day:
        volatility = pyro.deterministic("volatility", log_volatility.exp(), event_dim=0)
        pyro.sample("y", dist.StudentT(nu, 0.0, volatility), obs=y)


def data() -> dict[str, torch.Tensor | int]:
    """The 368 daily log returns, in percent."""
    returns = 100.0 * torch.tensor(CLOSING_PRICES, dtype=torch.float64).log().diff()
    return {"days": len(returns), "y": returns}


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "excess": (22.992, 0.059, 13.622, 0.096),
    "scale": (0.11553, 0.00023, 0.02502, 0.00015),
    "start": (0.211, 0.0017, 0.3038, 0.0016),
    "nu": (24.992, 0.059, 13.622, 0.096),
    "volatility[1]": (1.2919, 0.0022, 0.387, 0.003),
    "volatility[2]": (1.3011, 0.0019, 0.365, 0.0027),
    "volatility[3]": (1.3145, 0.0017, 0.348, 0.0025),
}
