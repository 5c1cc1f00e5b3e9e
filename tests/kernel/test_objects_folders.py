"""Objects as files of a job's folder, and back."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasshouse.kernel import errors
from glasshouse.kernel.objects import Objects, Place
from glasshouse.kernel.records import Store
from tests.support import storage
from tests.support.storage import at, new_bucket, put


@pytest.fixture
def objects(sqlite_store: Store, tmp_path: Path) -> Objects:
    return storage.over(sqlite_store, tmp_path)


@pytest.fixture
def bucket(objects: Objects) -> Place:
    return new_bucket(objects)


def paths(objects: Objects, place: Place, **more: object) -> list[str]:
    return [item.path for item in objects.select(place, **more)]  # type: ignore[arg-type]  # passed on


def test_a_prefix_is_cut_at_its_last_slash(objects: Objects, bucket: Place) -> None:
    for key in ("data/train.csv", "data/train/a.csv", "data/train/deep/b.csv", "data/train/", "other"):
        put(objects, at(bucket, key))
    assert paths(objects, at(bucket, "data/train/")) == ["a.csv", "deep/b.csv"]
    assert paths(objects, at(bucket, "data/train/a.csv")) == ["a.csv"]
    assert paths(objects, at(bucket, "data")) == ["train.csv", "train/a.csv", "train/deep/b.csv"]
    assert paths(objects, at(bucket, "data/tr")) == ["train.csv", "train/a.csv", "train/deep/b.csv"]
    assert "data/train.csv" in paths(objects, bucket)


def test_a_prefix_without_objects_fails_with_a_sentence(objects: Objects, bucket: Place) -> None:
    with pytest.raises(errors.Fatal, match="ClientError: No S3 objects found under S3 URI"):
        objects.select(at(bucket, "nothing/"))
    missing = Place(account=storage.ACCOUNT, bucket="no-such-bucket", key="x")
    with pytest.raises(errors.Fatal, match="does not exist"):
        objects.select(missing)


def test_a_manifest_names_its_objects(objects: Objects, bucket: Place) -> None:
    for key in ("there/a", "there/deep/b", "there/c"):
        put(objects, at(bucket, key), key.encode())
    manifest = json.dumps([{"prefix": f"s3://{bucket.bucket}/there/"}, "deep/b", "a"])
    put(objects, at(bucket, "manifest"), manifest.encode())
    assert paths(objects, at(bucket, "manifest"), kind="ManifestFile") == ["a", "deep/b"]


def test_a_wrong_manifest_fails_with_a_sentence(objects: Objects, bucket: Place) -> None:
    wrong = ("", "{}", "[]", '["a"]', '[{"prefix": 1}]', '[{"prefix": "s3://b/"}, 1]', '[{"prefix": "b"}]')
    for content in wrong:
        put(objects, at(bucket, "manifest"), content.encode())
        with pytest.raises(errors.Fatal, match="manifest"):
            objects.select(at(bucket, "manifest"), kind="ManifestFile")
    gone = [{"prefix": f"s3://{bucket.bucket}/"}, "gone"]
    put(objects, at(bucket, "manifest"), json.dumps(gone).encode())
    with pytest.raises(errors.Fatal, match="does not exist"):
        objects.select(at(bucket, "manifest"), kind="ManifestFile")


def test_paths_that_would_leave_the_folder_are_refused(
    objects: Objects, bucket: Place, tmp_path: Path
) -> None:
    for number, key in enumerate(("../evil", "a/../../evil", "a//b", "./a", "n" * 256)):
        put(objects, at(bucket, f"{number}/{key}"))
        with pytest.raises(errors.Fatal, match="cannot become a file"):
            objects.select(at(bucket, f"{number}/"))


def test_a_file_and_a_folder_of_one_name_are_refused(objects: Objects, bucket: Place) -> None:
    for key in ("x/a", "x/a/b", "x/a-c"):
        put(objects, at(bucket, key))
    with pytest.raises(errors.Fatal, match="'a'"):
        objects.select(at(bucket, "x/"))


@given(n_objects=st.integers(1, 20), count=st.integers(1, 6))
def test_shards_share_out_all_objects_evenly(n_objects: int, count: int) -> None:
    items = list(range(n_objects))
    shards = [items[index::count] for index in range(count)]
    assert sorted(item for shard in shards for item in shard) == items
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_a_shard_takes_its_share_of_the_keys(objects: Objects, bucket: Place) -> None:
    for number in range(5):
        put(objects, at(bucket, f"x/{number}"))
    assert paths(objects, at(bucket, "x/"), shard=(0, 2)) == ["0", "2", "4"]
    assert paths(objects, at(bucket, "x/"), shard=(1, 2)) == ["1", "3"]


def test_what_is_fetched_is_what_was_selected(objects: Objects, bucket: Place, tmp_path: Path) -> None:
    put(objects, at(bucket, "x/a"), b"first")
    put(objects, at(bucket, "x/deep/b"), b"b" * 3_000_000)
    chosen = objects.select(at(bucket, "x/"))
    put(objects, at(bucket, "x/a"), b"second")
    objects.fetch(chosen, tmp_path / "job")
    assert (tmp_path / "job/a").read_bytes() == b"first"
    assert (tmp_path / "job/deep/b").read_bytes() == b"b" * 3_000_000


def test_damaged_content_is_noticed(objects: Objects, bucket: Place, tmp_path: Path) -> None:
    put(objects, at(bucket, "k"), b"content")
    chosen = objects.select(at(bucket, "k"))
    digest = chosen[0].version.digest
    stored = tmp_path / "blobs/plain" / digest[:2] / digest
    stored.write_bytes(stored.read_bytes()[:-1] + b"!")
    with pytest.raises(errors.Fatal, match="damaged"):
        objects.fetch(chosen, tmp_path / "job")


def test_a_fetch_follows_no_link_that_lies_in_its_way(
    objects: Objects, bucket: Place, tmp_path: Path
) -> None:
    put(objects, at(bucket, "k"))
    (tmp_path / "job").mkdir()
    (tmp_path / "job/k").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="exists"):
        objects.fetch(objects.select(at(bucket, "k")), tmp_path / "job")
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_is_published_without_links_and_pipes(
    objects: Objects, bucket: Place, tmp_path: Path, sqlite_store: Store
) -> None:
    folder = tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    (folder / "a").write_bytes(b"a")
    (folder / "deep/b").write_bytes(b"b")
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "linked").symlink_to("/etc")
    os.mkfifo(folder / "pipe")
    contents = objects.store_folder(folder)
    with sqlite_store.write() as tx:
        objects.publish_folder(tx, at(bucket, "pre/fix"), contents)
    assert {v.key: objects.get_bytes(at(bucket, v.key)) for v in objects.every(bucket)} == {
        "pre/fix/a": b"a",
        "pre/fix/deep/b": b"b",
    }


def test_a_link_is_not_stored_as_a_file(objects: Objects, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="link"):
        objects.store_file(tmp_path / "link")


def test_a_file_name_that_is_no_text_fails_with_a_sentence(objects: Objects, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / os.fsdecode(b"\xff")).write_bytes(b"")
    with pytest.raises(errors.Fatal, match="UTF-8"):
        objects.store_folder(folder)


def test_a_uri_names_a_place() -> None:
    place = Place.of_uri("1", "s3://bucket/a/b c")
    assert (place.bucket, place.key, place.uri) == ("bucket", "a/b c", "s3://bucket/a/b c")
    assert place.within("d").key == "a/b c/d"
    assert Place.of_uri("1", "s3://bucket").within("d").key == "d"
    for wrong in ("", "bucket/key", "http://bucket/key", "s3://", "s3:///key"):
        with pytest.raises(errors.Validation):
            Place.of_uri("1", wrong)
