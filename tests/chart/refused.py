"""Values that make no sense are refused, with the sentence that refused.yaml expects."""

import pathlib

from support import RenderError, load


def run(checks, chart):
    for case in load(pathlib.Path(__file__).with_name("refused.yaml")):
        options = {"release": case["release"]} if "release" in case else {}
        arguments = ["--kube-version", case["kubernetes"]] if "kubernetes" in case else []
        try:
            chart.template(*arguments, values=case.get("values", {}), **options)
            checks.check(False, f"accepted, but should say {case['says']!r}: {case}")
        except RenderError as error:
            said = " ".join(str(error).split())
            checks.check(case["says"] in said, f"should say {case['says']!r}, but says {said!r}")
