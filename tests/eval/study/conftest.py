import pytest

from eval.study.fold import Fold
from tests.support.small_study import small_study


@pytest.fixture(scope="session")
def fold(tmp_path_factory):
    return Fold(small_study(tmp_path_factory.mktemp("arms"), "flow.levels=2"), "grouped", 0, say=lambda line: None)
