"""Every value of values.yaml is set by some ci file, and changes what is rendered; `null` breaks none."""

import concurrent.futures
import re

import values_table
from support import RenderError, get, leaves, load, run_helm, without

# Values that are not for the templates.
WITHOUT_EFFECT = {"global"}


def run(checks, chart):
    documented = values_table.described(chart.read("values.yaml"))
    files = {path.name: load(path) or {} for path in chart.ci_files()}
    # A map is one value where it is described as one.
    whole = {path for path in documented if isinstance(get(chart.defaults, path.split(".")), dict)}
    paths = list(leaves(chart.defaults, whole))

    def has_effect(path):
        setters = [values for values in files.values() if get(values, path) not in (None, get(chart.defaults, path))]
        # Either engine has templates of its own.
        engines = {values.get("engine") for values in setters}
        effects = (
            any(chart.template(values=values) != rendered_without(values, path) for values in setters if values.get("engine") == engine)
            for engine in engines
        )
        return bool(setters), bool(setters) and all(effects)

    def rendered_without(values, path):
        try:
            return chart.template(values=without(values, path))
        except RenderError as error:  # Another value needs it.
            return str(error)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for path, (is_set, matters) in zip(paths, pool.map(has_effect, paths)):
            name = ".".join(path)
            checks.check(any(name == at or name.startswith(f"{at}.") for at in documented), f"{name} has no `# --` comment")
            checks.check(is_set, f"{name} is set by no ci file")
            checks.check(matters or name in WITHOUT_EFFECT, f"{name} changes nothing")

        for path, said in zip(paths, pool.map(lambda path: rendered_with_null(chart, path), paths)):
            checks.check(said is None, f"{'.'.join(path)}: null: {said}")


def rendered_with_null(chart, path):
    """Helm's way to take a default away: rendered, or refused by the schema. Returns what else was said."""
    values = {"metrics": {"prometheusRule": {"enabled": True}, "dashboard": {"enabled": True}}, "webhook": {"podOptIn": {"enabled": True}}, "coverage": {"enabled": True}}
    parent = values
    for key in path[:-1]:
        parent = parent.setdefault(key, {})
    parent[path[-1]] = None
    try:
        # The notes are rendered by `helm install` only.
        done = run_helm(["helm", "install", "gomemlimit", str(chart.path), "--dry-run=client", "--namespace", "gomemlimit"], values)
    except RenderError as error:
        return None if f"missing property '{path[-1]}'" in str(error) else str(error)
    # Keys of JSON, as in the dashboard, are quoted.
    return "rendered as null" if re.search(r"^ *(- )?([\w./-]+: )?null$", done, re.M) else None
