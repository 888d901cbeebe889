"""The task suggest_review and the ranking that follows a person's answers."""

import json

import numpy as np
import pytest
from PIL import Image

from spacer_like.embeddings.embeddings_table import EmbeddingsTable
from spacer_like.exceptions import CollectionError, ExtractorMismatchError, MessageError, TrainingLabelsError
from spacer_like.learning.linear_tags import NEGATIVE, NOT_USED, POSITIVE
from spacer_like.location import DataLocation
from spacer_like.tables.corrections import Answer, corrections_bytes
from spacer_like.tags.messages import SuggestReviewMsg, TrainTagsMsg
from spacer_like.tags.model_folder import read_tag_models
from spacer_like.tags.reranking import Reranker
from spacer_like.tags.tag_model import tag_scores
from spacer_like.tasks import suggest_review, train_tags

from .tag_making import ENCODER, record, stored, table_of

COUNTS = {"blue": 8, "new": 40, "other-training": 12, "red": 8}


def mixed_table() -> EmbeddingsTable:
    """Images of two tags, and new ones without a tag, some of which are red or blue, and some between them."""
    table = table_of(COUNTS)
    random = np.random.default_rng(3)
    tags = np.array([one.tags[0] for one in table.records])
    red, blue, other = (table.vectors[tags == tag].mean(axis=0) for tag in ("red", "blue", "other-training"))
    new = np.flatnonzero(tags == "new")
    shares = random.random(len(new))[:, None]
    ends = np.array([red, blue])[random.integers(0, 2, len(new))]
    table.vectors[new] = shares * ends + (1 - shares) * other + 0.7 * random.normal(size=table.vectors[new].shape)
    records = [one._replace(tags=()) if one.tags == ("new",) else one for one in table.records]
    return EmbeddingsTable("table", ENCODER, records, table.vectors)


@pytest.fixture
def at(tmp_path):
    return lambda *names: DataLocation("filesystem", "/".join([str(tmp_path), *names]))


@pytest.fixture
def ask(at):
    table = mixed_table()
    embeddings = stored(table, at("table.parquet"))
    types = ["ovr-logistic-regression"]
    train_tags(TrainTagsMsg(embeddings_loc=embeddings, models_loc=at("models"), model_types=types))
    return lambda **fields: suggest_review(
        SuggestReviewMsg(**({"embeddings_loc": embeddings, "models_loc": at("models")} | fields))
    )


class TestSuggestions:
    def test_are_the_least_certain_and_the_likeliest_images_without_the_tag(self, ask, at):
        found = ask(n_uncertain=3, n_likely=4).suggestions
        expected = [(tag, kind) for tag in ("blue", "red") for kind in ["uncertain"] * 3 + ["likely"] * 4]
        assert [(one.tag, one.kind) for one in found] == expected
        table = mixed_table()
        for model in read_tag_models(at("models")):
            own = [one for one in found if one.tag == model.tag]
            scores = tag_scores([model], table.vectors)[:, 0]
            candidates = [
                score
                for one, score in zip(table.records, scores, strict=True)
                if model.tag not in one.tags and "other-training" not in one.tags
            ]
            distances = sorted(abs(score - model.threshold) for score in candidates)
            assert [abs(one.score - model.threshold) for one in own[:3]] == pytest.approx(distances[:3])
            assert own[3].score == pytest.approx(max({*candidates} - {one.score for one in own[:3]}))
            rows = [table.row_of_path[one.path] for one in own]
            assert [one.score for one in own] == pytest.approx(scores[rows].tolist())
            assert [one.id for one in own] == [table.records[row].id for row in rows]

    def test_never_ask_again_what_was_answered(self, ask, at):
        seen = set()
        answers = []
        for _ in range(3):
            with open(at("answers.csv").key, "wb") as file:
                file.write(corrections_bytes(answers))
            found = ask(n_uncertain=3, n_likely=2, corrections_loc=at("answers.csv")).suggestions
            pairs = {(one.tag, one.id) for one in found}
            assert len(pairs) == len(found) == 10
            assert not pairs & seen
            seen |= pairs
            answers += [Answer(one.id, one.path, one.tag, number % 2 == 0) for number, one in enumerate(found)]

    def test_do_not_repeat_what_looks_the_same(self, ask, at, tmp_path):
        table = mixed_table()
        copies = [record(f"copy/{n}.png") for n in range(5)]
        middle = table.vectors[table.row_of_path["new/00.png"]]
        many = EmbeddingsTable("t", ENCODER, [*table.records, *copies], np.vstack([table.vectors, *[middle] * 5]))
        embeddings = stored(many, at("many.parquet"))
        found = ask(embeddings_loc=embeddings, n_uncertain=100, tags=["red"]).suggestions
        alike = {"new/00.png", *(copy.path for copy in copies)}
        assert sum(one.path in alike for one in found) == 1
        assert len(found) > 20

    def test_of_models_of_another_encoder_are_refused(self, ask, at):
        table = mixed_table()
        other = EmbeddingsTable("t", "cd" * 20, table.records, table.vectors)
        sentence = r"^The ovr-logistic-regression model of the tag 'blue' was trained on vectors of the encoder"
        with pytest.raises(ExtractorMismatchError, match=sentence):
            ask(embeddings_loc=stored(other, at("other.parquet")))


class TestPictures:
    @pytest.fixture
    def images(self, tmp_path, at):
        """Images as the table has them, of another shape each; some are missing, and one is damaged."""
        table = mixed_table()
        for number, one in enumerate(table.records):
            path = tmp_path / "photos" / one.path
            path.parent.mkdir(parents=True, exist_ok=True)
            if number % 5:
                Image.new("RGB", (300 + number, 200), (number * 3, 90, 40)).save(path)
        (tmp_path / "photos" / "new" / "01.png").write_bytes(b"damaged")
        records = [one._replace(path=f"{tmp_path}/photos/{one.path}") for one in table.records]
        return stored(EmbeddingsTable("t", ENCODER, records, table.vectors), at("photos.parquet"))

    def test_are_on_the_page_and_on_the_sheet(self, ask, at, images, tmp_path):
        outputs = {"page_loc": at("review.html"), "contact_sheet_loc": at("sheet.png"), "suggestions_loc": at("s.csv")}
        answer = ask(embeddings_loc=images, images_loc=at("photos"), **outputs)
        paths = {one.path for one in answer.suggestions}
        there = {path for path in paths if (tmp_path / path).exists() and not path.endswith("new/01.png")}
        assert answer.n_without_picture == len(paths - there) > 0
        page = (tmp_path / "review.html").read_text()
        data = json.loads(page.partition('type="application/json">')[2].partition("</script>")[0])
        assert len(data["pictures"]) == len(there)
        shown = [item for tag in data["tags"] for item in tag["items"]]
        assert [item["path"] for item in shown] == [one.path for one in answer.suggestions]
        assert {item["path"] for item in shown if item["picture"] >= 0} == there
        with Image.open(tmp_path / "sheet.png") as sheet:
            assert min(sheet.size) > 500
        lines = (tmp_path / "s.csv").read_text().splitlines()
        assert lines[0] == "tag,id,path,kind,score"
        assert len(lines) == 1 + len(answer.suggestions)

    def test_need_the_images(self, ask, at, images):
        for name in ("page_loc", "contact_sheet_loc"):
            sentence = rf"^{name} needs images_loc, where the images are that are drawn\.$"
            with pytest.raises(MessageError, match=sentence):
                ask(**{name: at("page.png")})
        with pytest.raises(CollectionError, match=r"^None of the images to ask about is in '.*photos', such as 'blue/"):
            ask(images_loc=at("photos"), page_loc=at("page.html"))


class TestReranking:
    def reranker(self):
        table = table_of({"other": 30, "red": 30})
        targets = np.full(60, NOT_USED)
        targets[[0, 30]] = NEGATIVE, POSITIVE
        return Reranker(table.vectors, targets)

    def test_ranks_by_all_answers_so_far(self):
        reranker = self.reranker()
        for image in (1, 31, 2, 32):
            scores = reranker.answer(image, image >= 30)
            fresh = Reranker(reranker._vectors, reranker.targets).scores()
            assert scores == pytest.approx(fresh, abs=0.03)
        assert scores[30:].min() > scores[:30].max()

    def test_takes_an_answer_back(self):
        reranker = self.reranker()
        before = reranker.scores()
        assert not np.allclose(reranker.answer(45, False), before, atol=0.03)
        assert reranker.answer(45, None) == pytest.approx(before, abs=0.03)

    def test_needs_an_image_of_each_kind(self):
        with pytest.raises(TrainingLabelsError, match=r"has no positive example"):
            self.reranker().answer(30, None)
