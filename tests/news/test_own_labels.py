"""How labels of one's own become the four classes."""

import pytest

from agnews_core.errors import DataError
from agnews_core.news.own_labels import map_labels, parse_mapping


def map_all(*labels, given=None, leaves_out_unknown=False):
    counts = {label: 10 - at for at, label in enumerate(labels)}
    return map_labels(counts, given or {}, leaves_out_unknown=leaves_out_unknown)


def test_names_of_classes_are_known_whatever_their_case_and_punctuation():
    found = map_all("WORLD", "sport", " Business ", "Sci/Tech", "sci_tech", "Science & Technology", "Tech")
    assert list(found.classes.values()) == [0, 1, 2, 3, 3, 3, 3]
    assert not found.unknown


def test_numbers_with_a_0_among_them_are_counted_from_0():
    found = map_all("0", "2", "3.0")
    assert found.classes == {"0": 0, "2": 2, "3.0": 3}
    assert found.notes == ("Its numbers are read as 0 World, 1 Sports, 2 Business, 3 Sci/Tech, since 0 is among them.",)


def test_numbers_with_a_4_among_them_are_counted_from_1():
    found = map_all("1", "4")
    assert found.classes == {"1": 0, "4": 3}
    assert found.notes == ("Its numbers are read as 1 World, 2 Sports, 3 Business, 4 Sci/Tech, since 4 is among them.",)


@pytest.mark.parametrize("labels", [("1", "2", "3"), ("0", "4"), ("0", "7"), ("-1", "0")])
def test_numbers_that_leave_open_how_they_are_counted_must_be_mapped(labels):
    assert list(map_all(*labels).unknown) == list(labels)


def test_what_a_person_says_goes_before_what_is_known():
    found = map_all("World", "sport", "1", "2", given={"World": 1, "sport": None, "1": 0, "2": 3})
    assert found.classes == {"World": 1, "sport": None, "1": 0, "2": 3}


def test_labels_that_are_no_classes_are_listed_with_their_counts():
    found = map_all("World", "politics", "misc")
    assert found.unknown == {"politics": 9, "misc": 8}
    assert found.describe_unknown("topic") == (
        "2 labels of the column 'topic' are none of the classes (World, Sports, Business, Sci/Tech): 'politics' (9), 'misc' (8). "
        "Map each of them to a class, or leave it out."
    )
    one = map_all("World", "misc").describe_unknown("topic")
    assert one.startswith("1 label of the column 'topic' is none")
    assert one.endswith("'misc' (9). Map it to a class, or leave it out.")


def test_of_many_such_labels_the_most_frequent_are_shown():
    said = map_labels(
        {f"x{number}": 20 - number for number in range(12)}, {}, leaves_out_unknown=False
    ).describe_unknown("topic")
    assert "'x9' (11) and 2 more. Map" in said


def test_unknown_labels_are_left_out_where_that_is_wanted():
    found = map_all("World", "misc", leaves_out_unknown=True)
    assert (found.classes, found.unknown) == ({"World": 0, "misc": None}, {})


def test_a_label_that_is_not_there_cannot_be_mapped():
    with pytest.raises(DataError, match=r"There is no label 'sprot' in this file; there are 'World', 'sport'\."):
        map_all("World", "sport", given={"sprot": 1})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sport", r"'sport' maps no labels; write LABEL=CLASS, for example sport=Sports,misc=none\."),
        ("", r"'' maps no labels"),
        ("a=World,b", r"'a=World,b' maps no labels"),
        (
            "sport=Sprots",
            r"'Sprots' is no class; give World, Sports, Business, Sci/Tech, a number from 0 to 3, or none\.",
        ),
        ("sport=4", r"'4' is no class"),
        ("sport=", r"'' is no class"),
    ],
)
def test_a_mapping_that_cannot_be_read_is_told(text, message):
    with pytest.raises(DataError, match=message):
        parse_mapping(text)


def test_a_mapping_may_have_labels_with_commas_and_equals_signs_are_what_divides():
    assert parse_mapping("a, b = sport , c=0,d=NONE") == {"a, b": 1, "c": 0, "d": None}
