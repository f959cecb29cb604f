from headrace.decisions import blocked, decide_all, passed


def test_a_gate_whose_checks_did_not_run_blocks():
    assert not decide_all("promotion", []).passed


def test_one_refusal_blocks_and_is_named():
    decision = decide_all("promotion", [passed("a", "fine"), blocked("b", "worse", {"gain": -1.0}), passed("c", "fine")])
    assert not decision.passed
    assert decision.reason == "b: worse"
    assert decision.evidence == {"gain": -1.0}


def test_all_passed_passes():
    assert decide_all("promotion", [passed("a", "fine"), passed("b", "good")]).reason == "fine; good"
    assert decide_all("ingest", [passed("a", "fine")] * 6).reason == "6 checks passed"
