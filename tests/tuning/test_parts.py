"""The parts of a study: what is searched, what time allows, what is given up, what the end says."""

import numpy as np
import pytest

from agnews_core.config import TrainConfig, build_config
from agnews_core.errors import ConfigError
from agnews_core.tuning.budget import Cost, choose_subset
from agnews_core.tuning.importance import describe_importance
from agnews_core.tuning.proposals import is_hopeless, propose, write_space
from agnews_core.tuning.sentences import describe_best, describe_trial
from agnews_core.tuning.space import WORDS, apply, build_space, count_from_top, read_params
from agnews_core.tuning.study import StudyStatus, Trial
from agnews_core.tuning.verdict import Answers, build_verdict, choose_winner

PRESET = read_params(build_config())


def build_status(trials=(), **more):
    space = write_space(build_space(build_config(), n_layers=6, given=()))
    return StudyStatus(config=build_config(), space=space, minutes=5, trials=tuple(trials), **more)


def build_trial(number, score, *, curve=None, stage="search", n_scored=10_000, **params):
    state = "running" if score is None else "finished"
    curve = ((20, score), (40, score), (100, score)) if curve is None else curve
    own = {"params": {**PRESET, **params}, "score": score, "curve": curve, "n_scored": n_scored}
    return Trial(number=number, run=f"s-{number:02d}", stage=stage, state=state, **own)


@pytest.mark.parametrize("preset", ["seed", "budget-1m", "quick"])
def test_a_preset_is_a_point_of_its_own_space_and_that_point_is_the_preset(preset):
    config = build_config(preset=preset)
    space, params = build_space(config, n_layers=6, given=()), read_params(config)
    assert space.keys() == params.keys() == WORDS.keys()
    for name, distribution in space.items():
        assert distribution.to_external_repr(distribution.to_internal_repr(params[name])) == params[name]
    assert apply(config, params) == config


def test_what_was_given_is_not_searched():
    space = build_space(
        build_config({"max_steps": 10}), n_layers=6, given={"learning_rate", "layer_ranks", "max_steps"}
    )
    assert WORDS.keys() - space.keys() == {"learning_rate", "num_train_epochs", "layers", "rank"}


def test_layers_from_below_are_counted_from_the_top():
    config = count_from_top(TrainConfig(layer_ranks={2: 8, 4: 0, 5: 16}), n_layers=6)
    assert config.layer_ranks == {-4: 8, -1: 16}
    assert apply(config, {**read_params(config), "layers": 6, "rank": 8}).layer_ranks == {-6: 4, -5: 4, -4: 4, -1: 8}


def test_a_larger_rank_alone_does_not_change_what_an_update_weighs():
    config = apply(build_config(), {**PRESET, "rank": 64})
    assert (config.layer_ranks[-1], config.lora_alpha) == (64, 128.0)


def test_all_that_is_proposed_can_be_trained():
    status = build_status([build_trial(1, 0.9, stage="preset")])
    for attempt in range(30):
        apply(status.config, propose(status, attempt=attempt))


def test_a_study_has_time_for_many_trials_on_all_texts_or_on_a_part_of_them():
    assert choose_subset(Cost(full=40, comparison=20, n_train=8000), 20) is None
    n_texts = choose_subset(Cost(full=400, comparison=60, n_train=70_000), 60)
    assert n_texts is not None
    assert 1000 <= n_texts < 70_000
    assert 12 * Cost(400, 60, 70_000).count(n_texts) + 4 * 400 + 60 <= 3600 + 12


def test_the_least_time_is_two_trainings_and_their_comparison():
    with pytest.raises(
        ConfigError, match=r"take about 14 minutes here. Give 17 minutes, or lower `max_train_samples`\.$"
    ):
        choose_subset(Cost(full=400, comparison=20, n_train=1200), 10)
    assert choose_subset(Cost(full=400, comparison=20, n_train=1200), 17) is None


def test_a_trial_in_the_worse_half_is_given_up_and_one_that_few_texts_cannot_tell_from_the_best_is_not():
    better = [build_trial(number, 0.90 + number / 1000) for number in (1, 2, 3, 4)]
    status = build_status(better)
    assert is_hopeless(status, build_trial(5, None, curve=((20, 0.85),)))
    assert not is_hopeless(status, build_trial(5, None, curve=((20, 0.95),)))
    assert not is_hopeless(status, build_trial(5, None, curve=((10, 0.5),)))  # too early to say
    few = build_status([trial.model_copy(update={"n_scored": 40}) for trial in better])
    assert not is_hopeless(few, build_trial(5, None, curve=((20, 0.9),), n_scored=40))


def test_nothing_is_given_up_before_three_trials_have_come_to_their_end():
    status = build_status([build_trial(1, 0.95, stage="preset"), build_trial(2, 0.9)])
    assert not is_hopeless(status, build_trial(3, None, curve=((20, 0.3),)))


def make_trials(score, n=24):
    draw = np.random.default_rng(1)
    return [
        build_trial(number, score(params := propose(build_status(), attempt=number), draw), **params)
        for number in range(1, n + 1)
    ]


def test_what_mattered_is_said_where_the_trials_bear_it():
    trials = make_trials(lambda params, draw: 0.8 + 0.05 * np.log(params["learning_rate"] / 7e-4) + draw.normal() / 100)
    found = describe_importance(build_status(trials))
    assert found[0] == "Learning rate mattered most."
    assert any(text.startswith("Learning rate above 0.0") and " did better than 0.0" in text for text in found)


def test_nothing_is_said_to_matter_where_chance_alone_made_the_scores():
    found = describe_importance(build_status(make_trials(lambda params, draw: 0.9 + draw.normal() / 50)))
    assert found == ("What mattered cannot be told from 24 trials: none of the settings stands out.",)


def test_a_setting_that_makes_no_difference_is_said_to_do_nothing():
    trials = make_trials(lambda params, draw: 0.9 + draw.normal() / 2000)
    assert any(
        text.startswith("Rank above ") and " did nothing beside " in text
        for text in describe_importance(build_status(trials))
    )


def judge(own, others, *, winner=2):
    trials = [build_trial(1, 0.9, stage="preset"), build_trial(2, 0.95)]
    answers = {number: Answers(_read(rights), _read(rights)) for number, rights in ((1, others), (2, own))}
    return build_verdict(build_status(trials), trials[winner - 1], trials[0], answers)


def _read(rights):
    return np.array(rights, dtype=bool)


def judge_with_plain(own, others, *, weight=0.5):
    """Return the winner and the verdict where each model has the same right of the texts to choose on and of those held out."""
    trials = [build_trial(1, 0.9, stage="preset"), build_trial(2, 0.95)]
    status = build_status(trials)
    status = status.model_copy(update={"config": build_config({"plain_weight": weight})})
    parts = {number: tuple(map(_read, rights)) for number, rights in ((1, others), (2, own))}
    answers = {number: Answers(news, news, plain, plain) for number, (news, plain) in parts.items()}
    return choose_winner(status, trials[1], trials[0], answers).number, build_verdict(status, *trials[::-1], answers)


def test_a_winner_that_is_better_by_more_than_chance_is_called_so():
    found = judge([1] * 90 + [0] * 10, [1] * 80 + [0] * 20)
    assert found.is_better
    assert found.sentences == (
        "Trial 2 is better than the preset seed.",
        "On 100 validation texts that no trial was chosen by, it classifies 90.0% (95 % interval 82.6 to 94.5) correctly, the "
        "preset seed 80.0% (95 % interval 71.1 to 86.7); 10 texts it alone has right, 0 the preset seed alone (p = 0.002).",
    )


def test_a_winner_that_chance_may_have_made_is_no_better_than_the_preset():
    found = judge([1] * 84 + [0] * 16, [1] * 80 + [0] * 20)
    assert (found.n_only_winner, found.n_only_preset, found.p_value) == (4, 0, 0.125)
    assert not found.is_better
    assert found.sentences[0].startswith("Trial 2 is no better than the preset seed, as far as these texts can tell")


def test_a_winner_that_is_worse_on_texts_that_chose_nothing_is_called_so():
    found = judge([1] * 80 + [0] * 20, [1] * 90 + [0] * 10)
    assert not found.is_better
    assert found.sentences[0] == "Trial 2 is worse than the preset seed; keep the preset."


def test_where_plain_texts_count_the_winner_is_judged_by_both_kinds_of_texts_as_they_count():
    winner, found = judge_with_plain(
        ([1] * 90 + [0] * 10, [1] * 46 + [0] * 4), ([1] * 90 + [0] * 10, [1] * 36 + [0] * 14)
    )
    assert (winner, found.is_better, found.plain.lead, found.lead) == (2, True, 0.2, 0.0)
    assert found.sentences == (
        "Trial 2 is better than the preset seed.",
        "On 100 validation texts that no trial was chosen by, it classifies 90.0% (95 % interval 82.6 to 94.5) correctly, the "
        "preset seed 90.0% (95 % interval 82.6 to 94.5); 0 texts it alone has right, 0 the preset seed alone; on 50 plain ones "
        "that no trial was chosen by, it classifies 92.0% (95 % interval 81.2 to 96.8) correctly, the preset seed 72.0% (95 % "
        "interval 58.3 to 82.5); 10 texts it alone has right, 0 the preset seed alone (p = 0.002, where the plain ones count 0.5 "
        "and the others 0.5).",
    )


@pytest.mark.parametrize(("weight", "winner", "is_worse"), [(0.1, 1, True), (0.9, 2, False)])
def test_what_is_won_on_plain_texts_and_lost_on_the_others_is_weighed(weight, winner, is_worse):
    own, others = ([1] * 80 + [0] * 20, [1] * 46 + [0] * 4), ([1] * 90 + [0] * 10, [1] * 36 + [0] * 14)
    chosen, found = judge_with_plain(own, others, weight=weight)
    assert (chosen, found.is_worse, found.is_better) == (winner, is_worse, not is_worse)
    assert (found.sentences[0] == "Trial 2 is worse than the preset seed; keep the preset.") == is_worse


def test_few_plain_texts_that_chance_may_have_made_right_choose_nothing():
    right = [1] * 90 + [0] * 10
    winner, found = judge_with_plain((right, [1, 1, 1, 0, 0]), (right, [0, 0, 0, 1, 1]))
    assert winner == 1
    assert found.sentences[0].startswith("Trial 2 is no better than the preset seed, as far as these texts can tell")


def test_where_plain_texts_count_a_trial_is_told_with_its_score():
    status = build_status([build_trial(1, 0.9, stage="preset"), build_trial(2, 0.95)])
    status = status.model_copy(update={"config": build_config({"plain_weight": 0.5})})
    assert describe_best(status).endswith("its score on the texts to choose on is 95.0%, where plain ones count 0.5.")


def test_where_nothing_did_better_the_preset_is_the_winner():
    found = judge([], [1] * 80 + [0] * 20, winner=1)
    assert found.sentences[0].startswith("No better than the preset seed: of 1 trials none did better than it")
    assert (found.winner, found.p_value, found.is_better) == (1, 1.0, False)


def test_a_trial_is_told_in_a_line_with_what_differs_from_the_preset():
    trials = [build_trial(1, 0.9, stage="preset"), build_trial(2, 0.95, rank=16, pooling="mean")]
    status = build_status(trials)
    wanted = "Trial 2, all texts, 0 s: rank 16, pooling mean. 95.0%; best so far 95.0% (trial 2)"
    assert describe_trial(status, trials[1]) == wanted
    assert describe_best(status).startswith(
        "The best so far is trial 2 (run s-02), rank 16, pooling mean: 95.0% of the"
    )
    assert describe_best(build_status()) == "No trial has come to its end."
