import os
import time

from agnews_core.publishing.downloads import choose_download_path, write_download


def test_files_of_one_name_do_not_meet():
    first, second = (write_download("report.html", text) for text in ("one", "two"))
    assert first.name == second.name == "report.html"
    assert (first.read_text(), second.read_text()) == ("one", "two")


def test_a_name_cannot_lead_out_of_the_folder():
    path = choose_download_path("../../etc/passwd")
    assert path.name == "etc-passwd"
    assert choose_download_path("...").name == "file"


def test_files_go_after_an_hour():
    fresh, old = (write_download(f"{name}.txt", "x") for name in ("fresh", "old"))
    for path, minutes in ((fresh, 55), (old, 65)):
        then = time.time() - 60 * minutes
        os.utime(path.parent, (then, then))
    write_download("new.txt", "y")
    assert fresh.exists()
    assert not old.exists()
