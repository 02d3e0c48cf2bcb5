"""Proves that the checks can fail: each change of mutants.yaml, made to a copy of the chart, is refused."""

import contextlib
import io
import pathlib
import shutil
import tempfile

from support import Chart, Checks, load


def mutants():
    return load(pathlib.Path(__file__).with_name("mutants.yaml"))


def run(chart, groups):
    survivors = []
    for mutant in mutants():
        with tempfile.TemporaryDirectory() as folder:
            copy = Chart(pathlib.Path(folder) / "gomemlimit")
            shutil.copytree(chart.path, copy.path)
            path = copy.path / mutant["file"]
            text = path.read_text()
            path.write_text(text.replace(mutant["from"], mutant["to"], 1))
            checks = Checks()
            with contextlib.redirect_stdout(io.StringIO()):
                try:
                    groups[mutant["group"]](checks, copy)
                except Exception as error:  # A chart that does not render is noticed, too.
                    checks.failures.append(f"{type(error).__name__}: {error}")
        said = " ".join(" ".join(checks.failures).split())
        noticed = mutant["says"] in said
        print(f"{'refused' if noticed else 'SURVIVED'}: {mutant['file']}: {mutant['to']!r} ({said[:160] or 'nothing said'})", flush=True)
        if not noticed:
            survivors.append(mutant)
    count = len(mutants())
    print(f"chart self-test: {count - len(survivors)} of {count} changes refused")
    return 1 if survivors else 0
