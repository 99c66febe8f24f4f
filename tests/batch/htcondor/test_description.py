"""Writing submit descriptions."""

from __future__ import annotations

import pytest

from batch.htcondor import description
from ijp.errors import BadRequestError


def test_commands_are_lines_and_the_last_queues():
    text = description.written({"universe": "vanilla", "output": "/x y/log"}, 3)
    assert text == "universe = vanilla\noutput = /x y/log\nqueue 3\n"


def test_nothing_in_a_literal_is_expanded():
    assert description.literal("/x/$(HOME)/$ENV(A)") == "/x/$(DOLLAR)(HOME)/$(DOLLAR)ENV(A)"


@pytest.mark.parametrize("text", ["/x\nqueue 5", "/x\r", "/x\\", " /x", "/x ", "/x\0"])
def test_what_would_leave_its_line_is_refused(text):
    with pytest.raises(BadRequestError, match="HTCondor cannot be given this text"):
        description.literal(text)


def test_features_are_attributes_of_machines():
    assert (
        description.needed(["HasGPU", "fast"]) == "TARGET.HasGPU =?= True && TARGET.fast =?= True"
    )
    with pytest.raises(BadRequestError, match=r"\['a\.b', '1x'\]"):
        description.needed(["ok", "a.b", "1x"])
