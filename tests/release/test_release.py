"""What a release says of itself: the scripts of deploy/release refuse what is wrong.

usage: python3 -m unittest discover tests/release        (needs helm and PyYAML)
"""

import hashlib
import importlib.machinery
import importlib.util
import io
import pathlib
import re
import shutil
import subprocess
import tarfile
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILES = ["Cargo.toml", "CHANGELOG.md", "Dockerfile", "charts/gomemlimit/Chart.yaml", "deploy/install.yaml", "deploy/krew/gomemlimit.yaml", "deploy/helm-plugin/plugin.yaml", "action.yml"]
URL = "https://example.com/releases"


class Copy(unittest.TestCase):
    """A copy of what the scripts read, with which a test may do as it likes."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for file in FILES:
            (self.root / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, self.root / file)
        shutil.copytree(ROOT / "deploy/release", self.root / "deploy/release")
        shutil.copytree(ROOT / ".github", self.root / ".github")

    def change(self, file, old, new):
        text = (self.root / file).read_text()
        self.assertIn(old, text, f"{file} has nothing to change")
        (self.root / file).write_text(text.replace(old, new, 1))

    def run_script(self, name, *arguments):
        return subprocess.run([self.root / "deploy/release" / name, *arguments], text=True, capture_output=True)

    def refused(self, words, name, *arguments):
        run = self.run_script(name, *arguments)
        self.assertNotEqual(run.returncode, 0, run.stdout)
        self.assertIn(words, run.stderr)


class Version(Copy):
    def released(self, section):
        self.change("CHANGELOG.md", "## [Unreleased]\n", f"## [Unreleased]\n\n## {section}")

    def setUp(self):
        super().setUp()
        self.version = re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]

    def test_the_present_state_agrees(self):
        run = self.run_script("check-version")
        self.assertEqual(run.returncode, 0, run.stderr)

    def test_every_place_is_looked_at(self):
        version = self.version
        for file, line in {
            "Cargo.toml": f'version = "{version}"',
            "charts/gomemlimit/Chart.yaml": f"\nversion: {version}",
            "charts/gomemlimit/Chart.yaml: appVersion": f'appVersion: "{version}"',
            "charts/gomemlimit/Chart.yaml: image": f"image: gomemlimit:{version}",
            "deploy/install.yaml": f"image: gomemlimit:{version}",
            "deploy/krew/gomemlimit.yaml": f"version: v{version}",
            "deploy/helm-plugin/plugin.yaml": f"version: {version}",
            "Dockerfile": f"ARG VERSION={version}",
        }.items():
            with self.subTest(file):
                path = file.split(":")[0]
                self.change(path, line, line.replace(version, "7.7.7"))
                self.refused(path, "check-version")
                self.change(path, line.replace(version, "7.7.7"), line)

    def test_a_release(self):
        self.released("[" + self.version + "] - 2030-01-31\n\n### Added\n\n- All of it.\n")
        self.assertEqual(self.run_script("check-version", f"v{self.version}").returncode, 0)
        notes = self.run_script("check-version", "--notes", f"v{self.version}").stdout
        # The text of Unreleased is below this now.
        self.assertTrue(notes.startswith("### Added\n\n- All of it.\n"), notes)
        self.refused(f"the tag is v9.9.9, the version {self.version}", "check-version", "v9.9.9")
        self.refused("the tag is", "check-version", self.version)

    def test_a_tag_without_its_section(self):
        self.refused("no section", "check-version", f"v{self.version}")

    def test_a_section_without_a_date(self):
        for date in ["", " - soon", " - 2030-02-31"]:
            with self.subTest(date):
                self.released(f"[{self.version}]{date}\n\n- All of it.\n\n## [0.0.1]\n")
                self.refused("has no date", "check-version", f"v{self.version}")
                shutil.copy(ROOT / "CHANGELOG.md", self.root / "CHANGELOG.md")

    def test_an_empty_section(self):
        self.released(f"[{self.version}] - 2030-01-31\n\n### Added\n\n## [0.0.1]\n")
        self.refused("nothing is under", "check-version", f"v{self.version}")


class Workflows(Copy):
    RELEASE, CI = ".github/workflows/release.yml", ".github/workflows/ci.yml"
    # What is changed, and what is said then.
    MUTANTS = [
        (RELEASE, "permissions:\n  contents: read\n", "permissions: write-all\n", "the workflow's permissions"),
        (CI, "permissions:\n  contents: read\n", "", "the workflow's permissions"),
        (CI, "    timeout-minutes: 60\n", "    timeout-minutes: 60\n    permissions:\n      packages: write\n", "job then has other permissions"),
        (RELEASE, "    timeout-minutes: 5\n", "    timeout-minutes: 5\n    permissions: {packages: write}\n", "job version has other permissions"),
        (RELEASE, "      id-token: write\n", "      id-token: write\n      actions: write\n", "job publish has other permissions"),
        (RELEASE, "          persist-credentials: false\n", "          fetch-tags: true\n", "leaves its token"),
        (CI, "      - run: cargo deny check advisories\n", "      - run: echo ${{ github.token }}\n", "hands a token to a step"),
        (CI, "  pull_request:\n", "  pull_request_target:\n", "runs on pull_request_target"),
        (RELEASE, 'tags: ["v*"]', 'tags: ["v*"]\n  workflow_dispatch:', "runs on workflow_dispatch"),
        (CI, "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 #", "actions/checkout@v7 #", "not pinned by its commit"),
        (RELEASE, " # v4.1.2", "", "not pinned by its commit"),
        (RELEASE, "-slim-bookworm@sha256:", "-slim-bookworm # ", "not pinned by its digest"),
        (CI, "      - run: cargo deny check", "      - run: docker run --rm docker.io/example/tool:v1 lint\n      - run: cargo deny check", "not pinned by its digest"),
        ("Dockerfile", "-slim-bookworm@sha256:", "-slim-bookworm#", "Dockerfile: an image is not pinned"),
        (RELEASE, "needs: [version, linux, darwin, image]", "needs: [version, linux, image]", "does not need every other job"),
        (RELEASE, "    environment: release\n", "", "nobody is asked"),
        (RELEASE, "          fetch-depth: 0\n", "", "that the tag is on main"),
        (RELEASE, "origin/main", "origin/next", "that the tag is on main"),
        (RELEASE, "  darwin:\n    needs: version\n", "  darwin:\n", "job darwin does not need version"),
        (RELEASE, "outputs: type=oci,dest=image-${{ matrix.arch }}.tar", "outputs: type=image,push=true", "job image publishes"),
        ("action.yml", "@8aad20d150bbac5944a9f9d289da16a4b0d87c1e # v4.36.2", "@v4", "action.yml: an action is not pinned"),
        ("action.yml", "deploy/action/install\"'", "deploy/action/install\" ${{ inputs.version }}'", "action.yml: a command has an expression"),
    ]

    def test_the_present_state_is_fine(self):
        run = self.run_script("check-workflows")
        self.assertEqual(run.returncode, 0, run.stderr)

    def test_each_rule_is_held(self):
        for file, old, new, words in self.MUTANTS:
            with self.subTest(f"{file}: {words}"):
                self.change(file, old, new)
                self.refused(words, "check-workflows")
                shutil.copy(ROOT / file, self.root / file)


class Krew(Copy):
    def setUp(self):
        super().setUp()
        self.dist = self.root / "dist"
        self.dist.mkdir()
        for platform in ["linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"]:
            self.pack(platform, {"gomemlimit": 0o755, "LICENSE": 0o644})

    def pack(self, platform, files):
        with tarfile.open(self.dist / f"gomemlimit-{platform}.tar.gz", "w:gz") as tar:
            for name, mode in files.items():
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(platform), mode
                tar.addfile(member, io.BytesIO(platform.encode()))

    def test_every_platform_gets_its_archive_and_its_checksum(self):
        run = self.run_script("krew", self.dist, URL, self.root / "out.yaml")
        self.assertEqual(run.returncode, 0, run.stderr)
        text = (self.root / "out.yaml").read_text()
        found = re.findall(r"os: (\w+)\n +arch: (\w+)\n +uri: \"(.+)\"\n +sha256: \"([0-9a-f]{64})\"", text)
        self.assertEqual(len(found), 4)
        for system, arch, uri, sha256 in found:
            name = f"gomemlimit-{system}-{arch}.tar.gz"
            self.assertEqual((uri, sha256), (f"{URL}/{name}", hashlib.sha256((self.dist / name).read_bytes()).hexdigest()))

    def test_a_missing_archive(self):
        (self.dist / "gomemlimit-darwin-arm64.tar.gz").unlink()
        self.refused("no such archive", "krew", self.dist, URL, self.root / "out.yaml")

    def test_an_archive_without_a_file_that_krew_takes(self):
        self.pack("linux-arm64", {"gomemlimit": 0o755})
        self.refused("has no LICENSE", "krew", self.dist, URL, self.root / "out.yaml")

    def test_a_program_that_cannot_be_executed(self):
        self.pack("linux-arm64", {"gomemlimit": 0o644, "LICENSE": 0o644})
        self.refused("cannot be executed", "krew", self.dist, URL, self.root / "out.yaml")


class Chart(Copy):
    def setUp(self):
        super().setUp()
        shutil.copytree(ROOT / "charts/gomemlimit", self.root / "charts/gomemlimit", dirs_exist_ok=True)

    def test_the_packaged_chart_installs_the_published_image(self):
        run = self.run_script("chart", "ghcr.io/example/gomemlimit", "https://example.com/gomemlimit", self.root)
        self.assertEqual(run.returncode, 0, run.stderr)
        with tarfile.open(next(self.root.glob("gomemlimit-*.tgz"))) as tar:
            texts = {member.name: tar.extractfile(member).read().decode() for member in tar.getmembers() if member.isfile()}
        metadata, values, alerts = (texts[f"gomemlimit/{file}"] for file in ["Chart.yaml", "values.yaml", "files/alerts.yaml"])
        self.assertIn("image: ghcr.io/example/gomemlimit:", metadata)
        self.assertIn("home: https://example.com/gomemlimit", metadata)
        self.assertIn("  repository: ghcr.io/example/gomemlimit\n", values)
        self.assertIn("runbook_url: https://example.com/gomemlimit/blob/main/docs/alerts.md#gomemlimitdown\n", alerts)
        self.assertEqual([name for name, text in texts.items() if "OWNER" in text], [], "placeholders are left")

    def test_a_chart_whose_image_stands_elsewhere(self):
        self.change("charts/gomemlimit/values.yaml", "  repository: gomemlimit\n", "  repository: 'gomemlimit'\n")
        self.refused("does not install", "chart", "ghcr.io/example/gomemlimit", URL, self.root)


class BillOfMaterials(unittest.TestCase):
    def test_a_crate_that_only_one_of_the_two_names(self):
        loader = importlib.machinery.SourceFileLoader("sbom", str(ROOT / "deploy/release/sbom"))
        sbom = importlib.util.module_from_spec(importlib.util.spec_from_loader("sbom", loader))
        loader.exec_module(sbom)
        part = lambda name, version: {"name": name, "version": version}
        bill = {"metadata": {"component": part("gomemlimit", "1.0.0")}, "components": [part("serde", "1.0.1")]}
        self.assertEqual(sbom.differences(bill, {("gomemlimit", "1.0.0"), ("serde", "1.0.1")}), [])
        self.assertEqual(
            sbom.differences(bill, {("gomemlimit", "1.0.0"), ("serde", "1.0.2")}),
            ["serde 1.0.2 is in the program, not in the bill", "serde 1.0.1 is in the bill, not in the program"],
        )


if __name__ == "__main__":
    unittest.main()
