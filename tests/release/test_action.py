"""The GitHub Action: its steps are run in a shell as a runner would, on an archive that a test makes.

usage: python3 -m unittest discover tests/release        (needs curl and PyYAML)
"""

import hashlib
import io
import os
import pathlib
import platform
import re
import subprocess
import tarfile
import tempfile
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
VERSION = re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
SYSTEM = {"Linux": "linux", "Darwin": "darwin"}[platform.system()]
ARCH = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]
ARCHIVE = f"gomemlimit-{SYSTEM}-{ARCH}.tar.gz"
# Prints a log of SARIF, or a table; fails if --fail-on or --broken is given.
PROGRAM = """#!/bin/sh
[ "$1" != --version ] || { echo "gomemlimit VERSION"; exit; }
printf '%s\\n' "$@" >>"$CALLS"
case "$*" in *sarif*) echo '{}' ;; *) echo TABLE ;; esac
case "$*" in *--results*sarif*) echo '"ruleId": 1' ;; esac
case "$*" in *--broken*) exit 2 ;; *--fail-on*) exit 1 ;; esac
"""


class Action(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for name in ["runner", "downloads", "bin", "workspace"]:
            (self.root / name).mkdir()
        self.release(VERSION)
        # GitHub's program, which notes what it is asked.
        self.program("gh", '#!/bin/sh\necho "$@" >>"$RUNNER_TEMP/gh"\n')

    def program(self, name, text):
        path = self.root / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def release(self, version):
        data = PROGRAM.replace("VERSION", version).encode()
        with tarfile.open(self.root / "downloads" / ARCHIVE, "w:gz") as tar:
            for name, content, mode in [("gomemlimit", data, 0o755), ("LICENSE", b"", 0o644)]:
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(content), mode
                tar.addfile(member, io.BytesIO(content))
        checksum = hashlib.sha256((self.root / "downloads" / ARCHIVE).read_bytes()).hexdigest()
        (self.root / "downloads/SHA256SUMS").write_text(f"{'0' * 64}  install.yaml\n{checksum}  {ARCHIVE}\n")

    def value(self, text, inputs):
        """The value of an expression, as far as action.yml has them."""
        given = {name: body.get("default", "") for name, body in ACTION["inputs"].items()} | inputs
        known = {f"inputs.{name}": value for name, value in given.items()}
        known |= {"github.action_repository": "example/gomemlimit"}
        return re.sub(r"\$\{\{ (.+?) \}\}", lambda match: known[match[1]], text)

    def run_steps(self, **inputs):
        inputs = {name.replace("_", "-"): value for name, value in inputs.items()}
        runner = self.root / "runner"
        code, log = 0, ""
        for step in ACTION["runs"]["steps"]:
            if "run" not in step:
                continue
            self.assertEqual(step["shell"], "bash")
            added = (runner / "path").read_text().split() if (runner / "path").exists() else []
            environment = {
                "PATH": os.pathsep.join([*added, str(self.root / "bin"), os.environ["PATH"]]),
                "GITHUB_ACTION_PATH": str(ROOT),
                "GITHUB_SERVER_URL": "https://github.invalid",
                "GITHUB_PATH": str(runner / "path"),
                "GITHUB_OUTPUT": str(runner / "output"),
                "RUNNER_TEMP": str(runner),
                "CALLS": str(runner / "calls"),
                "GOMEMLIMIT_DOWNLOADS": (self.root / "downloads").as_uri(),
            } | {name: self.value(text, inputs) for name, text in step["env"].items()}
            command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
            run = subprocess.run(command, env=environment, cwd=self.root / "workspace", text=True, capture_output=True)
            code, log = run.returncode, log + run.stdout + run.stderr
            if code:
                break
        return code, log

    def file(self, name):
        path = self.root / "runner" / name
        return path.read_text() if path.exists() else ""

    def test_the_defaults(self):
        code, log = self.run_steps()
        self.assertEqual(code, 0, log)
        self.assertEqual(self.file("output"), f"version={VERSION}\nsarif-file=gomemlimit.sarif\n")
        self.assertEqual((self.root / "workspace/gomemlimit.sarif").read_text(), "{}\n")
        self.assertEqual(log.splitlines()[-1], "TABLE")
        self.assertEqual(self.file("gh"), f"attestation verify {ARCHIVE} --repo example/gomemlimit\n")
        self.assertEqual(self.file("calls").split()[:3], ["explain", "--recursive", "--filename=."])

    def test_inputs_are_arguments_and_no_shell(self):
        code, log = self.run_steps(
            path="k8s\ncharts/a b\n", args="--ratio=80%\n--namespace=$(id)\n", fail_on="no-memory-limit", sarif_file="found.sarif"
        )
        self.assertEqual(code, 1, "--fail-on has found something")
        arguments = self.file("calls").split("--output=sarif")[0].splitlines()
        self.assertEqual(
            arguments[2:], ["--filename=k8s", "--filename=charts/a b", "--ratio=80%", "--namespace=$(id)", "--fail-on=no-memory-limit"]
        )
        # The upload comes after a failed step.
        self.assertIn("sarif-file=found.sarif\n", self.file("output"))
        self.assertIn("!cancelled()", ACTION["runs"]["steps"][-1]["if"])

    def test_a_run_that_failed_and_found_nothing_is_not_uploaded(self):
        for args, output in [("--broken", ""), ("--results\n--broken", "sarif-file=gomemlimit.sarif\n")]:
            with self.subTest(args):
                (self.root / "runner/output").unlink(missing_ok=True)
                self.assertEqual(self.run_steps(args=args)[0], 2)
                self.assertEqual(self.file("output"), f"version={VERSION}\n{output}")

    def refused(self, words, **inputs):
        code, log = self.run_steps(**inputs)
        self.assertEqual(code, 1, log)
        self.assertIn(words, log)
        self.assertEqual(self.file("path") + self.file("calls"), "")

    def test_an_archive_that_was_changed(self):
        path = self.root / "downloads" / ARCHIVE
        path.write_bytes(path.read_bytes() + b"x")
        self.refused(f"{ARCHIVE} is not what SHA256SUMS shows")

    def test_checksums_without_the_archive(self):
        (self.root / "downloads/SHA256SUMS").write_text(f"{'0' * 64}  install.yaml\n")
        self.refused(f"has no line for {ARCHIVE}")

    def test_an_attestation_that_is_not_there(self):
        self.program("gh", "#!/bin/sh\nexit 1\n")
        self.refused("attestation")
        self.assertEqual(self.run_steps(attestation="false")[0], 0)

    def test_another_version(self):
        self.refused("is not version 9.9.9", version="v9.9.9")
        self.refused("no version such as", version="latest; id")

    def test_no_such_release(self):
        (self.root / "downloads/SHA256SUMS").unlink()
        self.refused("cannot download")


if __name__ == "__main__":
    unittest.main()
