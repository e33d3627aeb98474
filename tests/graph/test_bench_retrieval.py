"""The measurement of retrieval itself, on a library small enough to know the answers."""

from pathlib import Path

import numpy as np

from graph.bench_retrieval import METHODS, Scores, corpus, measure_retrieval, without_docstrings
from memory.embedder import HashEmbedder

SHOP = '''
class Basket:
    """What a customer wants."""

    def add_item(self, item):
        """Put one more item into the basket of this customer."""
        self.items.append(item)

    def empty(self):
        """Only this."""


def tax_of(price):
    """
    Return the value added tax of a given price.

    In euros.
    """
    return price * 0.2

def parse_amount(text):
    """Same words twice are no question of one function."""
    return float(text)

def parse_size(text):
    """Same words twice are no question of one function."""
    return int(text)

def one_line(): """A docstring on the line of its function stays."""

async def send_mail(to):
    """Call send_mail(to) in order to send a mail."""
    await post(to)
'''


def library(folder: Path) -> Path:
    (folder / "test").mkdir()
    (folder / "test" / "left_out.py").write_text("def f(): pass\n")
    (folder / "broken.py").write_text("def f(:\n")
    (folder / "shop.py").write_text(SHOP)
    return folder


def test_docstrings_of_functions_are_cut_out_and_the_rest_stays() -> None:
    bare, docstrings = without_docstrings(SHOP)
    assert bare.count("\n") == SHOP.rstrip("\n").count("\n")
    assert "What a customer wants" in bare and "stays" in bare
    assert "customer." not in bare.partition("wants.")[2]
    assert docstrings["Basket.empty"] == "Only this."
    assert set(docstrings) == {
        "Basket.add_item", "Basket.empty", "tax_of", "parse_amount", "parse_size", "send_mail",
    }  # fmt: skip
    compile(bare, "shop.py", "exec")


def test_only_questions_with_one_answer_are_asked(tmp_path: Path) -> None:
    items, questions = corpus(library(tmp_path), 100)
    assert [one.text for one in questions] == [
        "Put one more item into the basket of this customer.",
        "Return the value added tax of a given price.",
    ]
    assert {one.item for one in questions} <= {item.id for item in items}
    assert all("left_out" not in item.text for item in items)


def test_the_whole_chain_is_measured_for_each_method(tmp_path: Path) -> None:
    scores = measure_retrieval(HashEmbedder(), sources=library(tmp_path))
    assert scores.functions == 7
    assert all(scores.recall(method, 10) == 1 for method in METHODS)
    names = [figure.name for figure in scores.figures()]
    assert names[-1] == "hybrid over dense, R@5, 7 functions, 2 questions"


def test_a_gain_is_told_from_chance() -> None:
    hit, miss = np.ones(400, np.int64), np.zeros(400, np.int64)
    mixed = np.where(np.arange(400) % 2, hit, miss)
    gain, low, high = Scores(400, {"hybrid": hit, "dense": mixed}).gain()
    assert gain == 0.5 and 0.4 < low < 0.5 < high < 0.6
    assert Scores(400, {"hybrid": hit, "dense": hit}).gain() == (0, 0, 0)


def test_recall_counts_the_ranks_within_the_cut() -> None:
    scores = Scores(9, {"dense": np.array([1, 5, 6, 0])})
    assert [scores.recall("dense", cut) for cut in (1, 5, 10)] == [0.25, 0.5, 0.75]
