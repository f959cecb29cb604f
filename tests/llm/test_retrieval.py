"""Sections come back once each, best first, with their best chunk and the reason why."""

from headrace.llm.retrieval import Passage, Retriever
from headrace.llm.retrieval_config import RetrievalConfig
from tests.llm.small_index import SmallEmbedder, SmallIndex

FUSED = RetrievalConfig(method="score_fusion", text_weight=0.5, text_saturation=10.0)


def open_small(config: RetrievalConfig, **others) -> Retriever:
    return Retriever(index=SmallIndex(), embedder=SmallEmbedder(), config=config, **others)


def retrieve(retriever: Retriever, question: str, *, k: int, where: str | None = None) -> list[Passage]:
    return retriever.read(retriever.rank(question, k=k, where=where))


def test_a_section_comes_once_with_its_best_chunk_word_for_word():
    found = retrieve(open_small(FUSED), "delete file", k=10)
    assert [passage.section_id for passage in found].count("files#1") == 1
    assert (found[0].section_id, found[0].chunk_id, found[0].text) == ("files#1", "files#1/0", "delete a file delete")
    assert found[0].legs.keys() == {"dense", "bm25"}
    assert [passage.score for passage in found] == sorted((passage.score for passage in found), reverse=True)


def test_no_more_passages_come_than_were_asked_for():
    assert len(retrieve(open_small(FUSED), "delete file", k=2)) == 2


def test_meaning_finds_what_words_do_not():
    assert retrieve(open_small(RetrievalConfig(method="bm25")), "erase", k=3) == []
    assert retrieve(open_small(FUSED), "erase", k=1)[0].section_id == "files#1"


def test_a_filter_holds_for_both_legs():
    found = retrieve(open_small(FUSED), "delete file", k=10, where="document_id LIKE 'lists%'")
    assert {passage.document_id for passage in found} == {"lists.rst"}
    assert found[0].legs.keys() == {"dense", "bm25"}


def test_only_the_legs_that_count_are_searched():
    retriever = open_small(RetrievalConfig(method="dense"))
    retrieve(retriever, "delete", k=1)
    assert retriever.index.searched == ["dense"]


def test_scores_of_different_questions_can_be_compared():
    retriever = open_small(FUSED)
    assert retrieve(retriever, "delete file", k=1)[0].score > retrieve(retriever, "unheard of", k=1)[0].score


def test_only_the_text_of_what_is_read_is_fetched():
    retriever = open_small(FUSED)
    hits = retriever.rank("delete file", k=4)
    assert retriever.index.read == []
    retriever.read(hits[:2])
    assert retriever.index.read == [hit.row_id for hit in hits[:2]]


def test_an_embedding_that_is_given_is_not_computed_again():
    class Unwilling(SmallEmbedder):
        def embed(self, texts):
            raise AssertionError(f"embedded again: {texts}")

    given = SmallEmbedder().embed(["delete file"])[0]
    found = Retriever(index=SmallIndex(), embedder=Unwilling(), config=FUSED).rank("delete file", k=5, embedding=given)
    assert found == open_small(FUSED).rank("delete file", k=5)


def test_a_reranker_orders_the_first_ones_and_leaves_the_rest():
    class Reversing:
        def rerank(self, question, passages):
            return list(reversed(passages))

    plain = [passage.section_id for passage in retrieve(open_small(FUSED), "delete file", k=5)]
    config = RetrievalConfig(method="score_fusion", text_weight=0.5, text_saturation=10.0, rerank_depth=2)
    again = [passage.section_id for passage in retrieve(open_small(config, reranker=Reversing()), "delete file", k=5)]
    assert again == [plain[1], plain[0], *plain[2:]]
