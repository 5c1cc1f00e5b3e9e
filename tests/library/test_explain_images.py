"""Images are cut into areas of one piece, and the areas' contributions add up."""

from __future__ import annotations

import base64
import json
import zlib
from xml.etree import ElementTree

import numpy as np
import pytest
import shap
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from glasskit import charts, explain
from glasskit.explain import games, images, images_objects, images_segments

SVG = "{http://www.w3.org/2000/svg}"
SMALL = st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3, 4]))


def picture(height: int = 60, width: int = 80) -> np.ndarray:
    """A yellow disc and a blue square on a grey ground that gets lighter."""
    rows, columns = np.mgrid[0:height, 0:width]
    image = np.repeat((columns / width * 120)[..., np.newaxis], 3, axis=2).astype(np.uint8)
    image[(rows - 20) ** 2 + (columns - 22) ** 2 < 14**2] = (250, 220, 40)
    image[38:56, 50:70] = (20, 40, 240)
    return image


def yellow(some: np.ndarray) -> np.ndarray:
    """The share of yellow, and of blue."""
    seen = some.astype(float) / 255
    return np.stack([(seen[..., 0] - seen[..., 2]).mean(axis=(1, 2)), seen[..., 2].mean(axis=(1, 2))], axis=1)


@pytest.mark.slow
@settings(max_examples=30)
@given(arrays.arrays(np.uint8, SMALL), st.integers(1, 25), st.sampled_from([0.5, 5.0, 100.0]))
def test_every_pixel_is_in_one_connected_area(image: np.ndarray, n_wanted: int, compactness: float) -> None:
    segments = images_segments.superpixels(image, num_segments=n_wanted, segment_compactness=compactness)
    assert segments.shape == image.shape[:2]
    assert set(np.unique(segments)) == set(range(segments.max() + 1))
    for index in range(segments.max() + 1):
        assert ndimage.label(segments == index)[1] == 1
    again = images_segments.superpixels(image, num_segments=n_wanted, segment_compactness=compactness)
    assert np.array_equal(segments, again)


def test_areas_follow_colours_and_are_about_as_many_as_wanted() -> None:
    image = picture()
    segments = images_segments.superpixels(image)
    assert 12 <= segments.max() + 1 <= 30
    inside = (image == (250, 220, 40)).all(axis=2)
    shares = [inside[segments == index].mean() for index in range(segments.max() + 1)]
    assert all(share < 0.05 or share > 0.95 for share in shares)


def test_compact_areas_of_a_plain_image_are_a_grid() -> None:
    plain = np.full((40, 80, 3), 9, dtype=np.uint8)
    segments = images_segments.superpixels(plain, num_segments=8, segment_compactness=50.0)
    assert np.bincount(segments.ravel()) == pytest.approx([400] * 8, rel=0.2)


@pytest.mark.slow
def test_a_large_image_is_cut_quickly_and_wholly() -> None:
    large = np.kron(picture(30, 40), np.ones((40, 40, 1), dtype=np.uint8))[:1190, :1570]
    segments = images_segments.superpixels(large)
    assert segments.shape == (1190, 1570)
    assert 10 <= segments.max() + 1 <= 32


@pytest.mark.parametrize("baseline", ["blur", "mean", (0, 0, 0)])
def test_contributions_add_up_to_prediction_minus_baseline(baseline: images.Baseline) -> None:
    image = picture()
    explained = images.explain(
        yellow, image, baseline=baseline, segmentation=images.Segmentation(num_segments=6), n_samples=300
    )
    whole, empty = yellow(image[np.newaxis])[0], yellow(images.baseline_image(image, baseline)[np.newaxis])[0]
    values = explained.explanation.values[0]
    assert values.shape[1] == 2
    assert explained.explanation.base_values[0] == pytest.approx(empty)
    assert values.sum(axis=0) == pytest.approx(whole - empty)
    assert explained.attribution_map().sum(axis=(0, 1)) == pytest.approx(whole - empty)
    assert explained.explanation.data.sum() == pytest.approx(1.0)


@pytest.mark.slow
def test_the_yellow_areas_are_what_makes_it_yellow() -> None:
    image = picture()
    explained = images.explain(yellow, image, baseline="mean", n_samples=600, seed=2).output(0)
    assert explained.method == "kernel"
    assert explained.errors.shape == explained.explanation.values.shape
    strongest = explained.segments == int(explained.explanation.values[0].argmax())
    assert (image[strongest] == (250, 220, 40)).mean() > 0.9
    again = images.explain(yellow, image, baseline="mean", n_samples=600, seed=2).output(0)
    assert np.array_equal(explained.explanation.values, again.explanation.values)


def test_no_more_images_are_in_memory_than_a_batch_holds() -> None:
    sizes: list[int] = []

    def counted(some: np.ndarray) -> np.ndarray:
        sizes.append(len(some))
        assert some.dtype == np.uint8
        return yellow(some)[:, 0]

    images.explain(counted, picture(), n_samples=120, batch_size=16)
    assert max(sizes) <= 16
    assert sum(sizes) >= 120


@settings(max_examples=20)
@given(arrays.arrays(np.uint8, SMALL))
def test_a_blurred_image_stays_within_its_colours(image: np.ndarray) -> None:
    blurred = images.baseline_image(image, "blur")
    assert blurred.shape == image.shape
    for channel in range(image.shape[2]):
        assert image[..., channel].min() <= blurred[..., channel].min()
        assert blurred[..., channel].max() <= image[..., channel].max()
    if image.shape[2] == 4:
        assert np.array_equal(blurred[..., 3], image[..., 3])


def detect(some: np.ndarray) -> list[list[list[float]]]:
    """Boxes around what is yellow (class 1) and blue (class 2); the score is how much of it is left."""
    answers = []
    for image in some.astype(int):
        boxes = []
        for class_id, mask, full in (
            (1, (image[..., 0] > 200) & (image[..., 2] < 90), 600),
            (2, image[..., 2] > 200, 360),
        ):
            rows, columns = np.nonzero(mask)
            if len(rows):
                left, right = columns.min() / 80, (columns.max() + 1) / 80
                top, bottom = rows.min() / 60, (rows.max() + 1) / 60
                boxes.append([class_id, min(1.0, len(rows) / full), left, top, right, bottom])
        answers.append(boxes)
    return answers


@pytest.mark.slow
def test_each_object_is_explained_by_the_areas_where_it_is() -> None:
    image = picture()
    found = images_objects.explain(detect, image, baseline=(0, 0, 0), n_samples=500, iou_threshold=0.3)
    assert [one.detection.class_id for one in found] == [1, 2] or [
        one.detection.class_id for one in found
    ] == [2, 1]
    for one in found:
        box, values = one.detection, one.explained.explanation.values[0]
        assert values.sum() + one.explained.explanation.base_values[0] == pytest.approx(box.score)
        rows, columns = np.nonzero(one.explained.segments == int(values.argmax()))
        assert box.left <= columns.mean() / 80 <= box.right
        assert box.top <= rows.mean() / 60 <= box.bottom


def test_context_hides_the_surroundings_and_few_objects_are_chosen_by_score() -> None:
    image = picture()
    seen: list[np.ndarray] = []

    def watched(some: np.ndarray) -> list[list[list[float]]]:
        seen.extend(some)
        return detect(some)

    (one,) = images_objects.explain(
        watched, image, max_objects=1, context=0.0, baseline=(7, 7, 7), n_samples=200
    )
    best = max((box for box in detect(image[np.newaxis])[0]), key=lambda box: box[1])
    assert one.detection.class_id == best[0]
    left, right = round(best[2] * 80), round(best[4] * 80)
    assert all(
        (changed[:, : left - 1] == 7).all() and (changed[:, right + 1 :] == 7).all() for changed in seen[1:]
    )


@given(st.lists(st.floats(0, 1), min_size=8, max_size=8))
def test_overlap_is_symmetric_and_one_with_itself(ends: list[float]) -> None:
    one, other = (
        images_objects.Detection(
            class_id=0, score=1, left=min(a, c), top=min(b, d), right=max(a, c) + 0.1, bottom=max(b, d) + 0.1
        )
        for a, b, c, d in (ends[:4], ends[4:])
    )
    assert images_objects.overlap(one, one) == pytest.approx(1.0)
    assert images_objects.overlap(one, other) == images_objects.overlap(other, one)
    assert 0 <= images_objects.overlap(one, other) <= 1


@pytest.mark.slow
def test_what_cannot_be_explained_is_said() -> None:
    image = picture()
    for ask, match in (
        (lambda: images.explain(yellow, image / 255), "float64"),
        (lambda: images.explain(yellow, image[..., 0]), "shape"),
        (lambda: images.explain(yellow, image, baseline="noise"), "noise"),
        (lambda: images.explain(yellow, image, baseline=(1, 2)), "3 numbers"),
        (lambda: images.explain(yellow, image, baseline=(0, 0, 300)), "300"),
        (lambda: images.explain(yellow, image, batch_size=0), "batch_size"),
        (
            lambda: images.explain(yellow, image, segmentation=images.Segmentation(num_segments=0)),
            "num_segments",
        ),
        (lambda: images_objects.explain(detect, image, max_objects=0), "max_objects"),
        (lambda: images_objects.explain(detect, image, iou_threshold=0), "iou_threshold"),
        (lambda: images_objects.explain(detect, image, context=2), "context"),
        (lambda: images_objects.explain(lambda some: [[[1, 2]]], image), "six finite numbers"),
    ):
        with pytest.raises(ValueError, match=match):
            ask()
    with pytest.raises(games.BadPredictions):
        images.explain(lambda some: [1.0], image)


def test_the_tinted_image_is_drawn_with_its_areas_and_its_box() -> None:
    image = picture()
    one = images_objects.explain(detect, image, max_objects=1, baseline="mean", n_samples=200)[0]
    chart = charts.images.overlay(one.explained, detection=one.detection)
    root = ElementTree.fromstring(chart.to_svg())
    marks = [part for part in root.iter(f"{SVG}g") if part.get("class") == "mark"]
    assert len(marks) == one.explained.explanation.shape[1] == len(chart.areas)
    assert chart.box == pytest.approx(
        [
            edge * size
            for edge, size in zip(
                (one.detection.left, one.detection.top, one.detection.right, one.detection.bottom),
                (80, 60, 80, 60),
                strict=True,
            )
        ]
    )
    embedded = base64.b64decode(next(root.iter(f"{SVG}image")).get("href", "").split(",")[1])
    assert embedded.startswith(b"\x89PNG")
    json.loads(chart.to_json())
    tinted = charts.images.overlay_png(one.explained)
    lines = (
        np.frombuffer(zlib.decompress(tinted[41:-16]), dtype=np.uint8)
        .reshape(60, -1)[:, 1:]
        .reshape(60, 80, 3)
    )
    values = one.explained.explanation.values[0]
    strongest = one.explained.segments == int(np.abs(values).argmax())
    red, green = lines[strongest][:, 0].mean(), lines[strongest][:, 1].mean()
    assert (red > green) == (values[np.abs(values).argmax()] > 0)


def test_shaps_plots_take_an_images_explanation() -> None:
    explained = images.explain(lambda some: yellow(some)[:, 0], picture(), n_samples=200)
    assert isinstance(explained.explanation, shap.Explanation)
    assert explained.explanation[0].values.shape == (explained.explanation.shape[1],)
    assert isinstance(explained.explanation, explain.Explanation)
