"""Twenty visitors at once: some set a model up, the others watch one run, and each press of a button is answered."""

import time

import pytest

from tests.ui.conftest import choose_tab, configure, wait_for, wait_for_state

N_WATCHING, N_CONFIGURING = 6, 14
MAX_SECONDS = 30  # until all who watch see that the run has stopped


@pytest.mark.slow
def test_of_twenty_visitors_all_are_answered_and_those_who_watch_see_the_run_start_and_stop(app, visit, tiny_backbone):
    busy = [visit(app, "Configure") for _ in range(N_CONFIGURING)]
    watching = [visit(app, "Train") for _ in range(N_WATCHING)]
    first, last = watching[0], watching[-1]
    few = {"max_train_samples": 100, "max_eval_samples": 20, "per_device_train_batch_size": 4, "eval_steps": 50}
    configure(first, backbone=tiny_backbone, data="sample", max_steps=5000, early_stopping_patience=0, **few)
    choose_tab(first, "Train")
    first.get_by_role("button", name="Start training").click()
    for visitor in watching:
        wait_for_state(visitor, "Running")
    for visitor in busy:
        wait_for(visitor, lambda page=visitor: page.locator("#trainable").count() == 1)
    began = time.monotonic()
    last.locator("#stop").click()
    last.get_by_role("button", name="Discard it").click()
    for visitor in watching:
        wait_for_state(visitor, "Stopped", seconds=60)
    assert time.monotonic() - began < MAX_SECONDS
