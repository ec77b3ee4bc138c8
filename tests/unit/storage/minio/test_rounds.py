"""A listing goes on where the last one ended, and in the end has seen everything."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.ports.jobs import StoredBlob
from storage.minio.rounds import Rounds


class Buckets:
    """Names by bucket, listed as S3 does."""

    def __init__(self, **names: list[str]) -> None:
        self.names = names
        self.looked_at = 0

    def listed(self, bucket, prefix, after, limit):
        names = sorted(name for name in self.names[bucket] if name.startswith(prefix))
        page = [name for name in names if name > after][:limit]
        self.looked_at += len(page)
        return [StoredBlob(name=n, size_bytes=1, content_type="x", stored_ms=0) for n in page]


def everything(_):
    return True


def names(blobs):
    return [blob.name for blob in blobs]


def test_what_is_wanted_behind_much_that_is_not_is_found_by_the_next_rounds():
    buckets = Buckets(a=[f"{number:03}" for number in range(100)])
    rounds = Rounds(buckets.listed, max_looked_at=30)
    found = [rounds.go_on(["a"], "", lambda blob: blob.name == "095", 10) for _ in range(4)]
    assert [names(each) for each in found] == [[], [], [], ["095"]]


def test_names_that_stay_in_front_hide_nothing():
    buckets = Buckets(a=[f"{number:03}" for number in range(10)])
    rounds = Rounds(buckets.listed, max_looked_at=1000)
    seen = [names(rounds.go_on(["a"], "", everything, 4)) for _ in range(3)]
    assert seen == [
        ["000", "001", "002", "003"],
        ["004", "005", "006", "007"],
        ["008", "009", "000", "001"],
    ]


def test_a_round_looks_at_no_more_than_it_may():
    buckets = Buckets(a=[f"{number:04}" for number in range(3000)])
    Rounds(buckets.listed, max_looked_at=1500).go_on(["a"], "", lambda _: False, 10)
    assert buckets.looked_at == 1500


def test_prefixes_keep_places_of_their_own():
    buckets = Buckets(a=["v/1", "v/2", "w/1", "w/2"])
    rounds = Rounds(buckets.listed, max_looked_at=1000)
    assert names(rounds.go_on(["a"], "v/", everything, 1)) == ["v/1"]
    assert names(rounds.go_on(["a"], "w/", everything, 1)) == ["w/1"]
    assert names(rounds.go_on(["a"], "v/", everything, 1)) == ["v/2"]


@given(
    st.lists(st.integers(0, 99), unique=True),
    st.lists(st.integers(100, 199), unique=True),
    st.integers(1, 7),
    st.integers(1, 30),
)
def test_rounds_show_every_name_before_they_show_all_again(first, second, limit, look):
    buckets = Buckets(a=[f"{n:03}" for n in first], b=[f"{n:03}" for n in second])
    rounds = Rounds(buckets.listed, max_looked_at=look)
    count = len(first) + len(second)
    seen = []
    for _ in range(count + 2):
        found = names(rounds.go_on(["a", "b"], "", everything, limit))
        assert len(found) == len(set(found)) <= limit
        seen += found
    assert set(seen) == {f"{n:03}" for n in (*first, *second)}
