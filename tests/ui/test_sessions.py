"""Twenty visitors at once: all of them see the same run, and each press of a button is answered."""

import time

from tests.ui.conftest import choose_tab, configure, wait_for_state

N_VISITORS = 20


def test_twenty_visitors_watch_one_run_and_all_see_it_start_and_stop(app, visit, tiny_backbone):
    visitors = [visit(app, "Train") for _ in range(N_VISITORS)]
    first, last = visitors[0], visitors[-1]
    few = {"max_train_samples": 100, "max_eval_samples": 20, "per_device_train_batch_size": 4, "eval_steps": 50}
    configure(first, backbone=tiny_backbone, data="sample", max_steps=5000, early_stopping_patience=0, **few)
    choose_tab(first, "Train")
    first.get_by_role("button", name="Start training").click()
    for visitor in visitors:
        wait_for_state(visitor, "Training")
    began = time.monotonic()
    last.locator("#stop").click()
    last.get_by_role("button", name="Discard it").click()
    wait_for_state(last, "Stopped", seconds=60)
    print(f"stopped for the one who asked after {time.monotonic() - began:.1f} s")
    for visitor in visitors:
        wait_for_state(visitor, "Stopped", seconds=60)
    print(f"and for all {N_VISITORS} after {time.monotonic() - began:.1f} s")
