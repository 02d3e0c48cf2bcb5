"""Values that make no sense are refused, with the sentence that refused.yaml expects: in words, with an example."""

import pathlib

from support import RenderError, forms, load


def run(checks, chart):
    unseen = {definition["else"]["const"] for definition in forms(load(chart.path / "values.schema.json")).values()}
    for case in load(pathlib.Path(__file__).with_name("refused.yaml")):
        options = {"release": case["release"]} if "release" in case else {}
        arguments = ["--kube-version", case["kubernetes"]] if "kubernetes" in case else []
        try:
            chart.template(*arguments, values=case.get("values", {}), **options)
            checks.check(False, f"accepted, but should say {case['says']!r}: {case}")
        except RenderError as error:
            said = " ".join(str(error).split())
            checks.check(case["says"] in said, f"should say {case['says']!r}, but says {said!r}")
            checks.check("does not match pattern" not in said and "'not' failed" not in said, f"no words: {said!r}")
            unseen = {words for words in unseen if f"value must be '{words}'" not in said}
    checks.equal(unseen, set(), "forms without a row in refused.yaml")
