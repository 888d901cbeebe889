"""Images of a folder are matched with a table that names them by another path in one pass."""

from spacer_like.cli import image_names
from spacer_like.cli.image_names import ImageNames


def test_each_name_is_taken_apart_a_fixed_number_of_times(monkeypatch):
    taken = []
    tails = image_names._tails
    monkeypatch.setattr(image_names, "_tails", lambda name: taken.append(name) or tails(name))
    names = ImageNames(f"survey/{number}.jpg" for number in range(1000))
    assert [names.find(f"/data/photos/{number}.jpg") for number in range(1000)] == [
        f"survey/{number}.jpg" for number in range(1000)
    ]
    assert len(taken) <= 4 * 1000
