//! Manifests of kinds that are not those of Kubernetes itself.

use rstest::rstest;
use serde_json::Value;

use crate::support::command::run_with_stdin;

/// A container with a limit of 512Mi at the column of `spec` of a pod template.
fn workload(head: &str) -> String {
    format!(
        "{head}\nmetadata: {{name: api, namespace: shop}}\nspec:\n  selector: {{matchLabels: {{app: api}}}}\n  template:\n    \
         metadata: {{labels: {{app: api}}}}\n    spec:\n      containers:\n      - name: app\n        \
         image: registry.example/shop/api:1\n        resources: {{limits: {{memory: 512Mi}}}}\n"
    )
}

#[rstest]
#[case("apiVersion: argoproj.io/v1alpha1\nkind: Rollout")]
#[case("apiVersion: apps.openshift.io/v1\nkind: DeploymentConfig")]
#[case("apiVersion: v1\nkind: DeploymentConfig")]
#[case("apiVersion: serving.knative.dev/v1\nkind: Service")]
#[case("apiVersion: extensions/v1beta1\nkind: Deployment")]
#[case::of_the_usual_form("apiVersion: example.com/v2\nkind: Thing")]
fn the_template_is_edited_in_place(#[case] head: &str) {
    let manifest = workload(head);
    let output = run_with_stdin(&["inject", "-f", "-"], &manifest);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(
        output.stdout.ends_with("        env:\n        - name: GOMEMLIMIT\n          value: \"483183820\"\n")
    );
    let added: Vec<_> =
        output.stdout.lines().filter(|line| !manifest.lines().any(|other| other == *line)).collect();
    // That of the metadata, and three of env.
    assert_eq!(added.len(), 4, "{added:?}");
    let again = run_with_stdin(&["inject", "-f", "-"], &output.stdout);
    assert_eq!(again.stdout, output.stdout);
}

/// The gate looks at the only container, and does not pass on nothing.
#[test]
fn a_gate_sees_a_rollout() {
    let manifest = workload("apiVersion: argoproj.io/v1alpha1\nkind: Rollout").replace("512Mi", "");
    let manifest = manifest.replace("limits: {memory: }", "requests: {memory: 64Mi}");
    let output = run_with_stdin(&["explain", "-f", "-", "--fail-on", "no-memory-limit"], &manifest);
    assert_eq!(output.code, 1, "{}", output.stderr);
    assert!(output.stdout.contains("Rollout shop/api  app "), "{}", output.stdout);
}

const TEMPLATE: &str = "\
apiVersion: template.openshift.io/v1
kind: Template
metadata: {name: api, namespace: templates}
objects:
- apiVersion: v1
  kind: Service
  metadata: {name: api}
- apiVersion: apps.openshift.io/v1
  kind: DeploymentConfig
  metadata: {name: \"${NAME}\", namespace: elsewhere}
  spec:
    replicas: ${{REPLICAS}}
    template:
      spec:
        containers:
        - name: app
          image: registry.example/shop/api:${VERSION}
          resources: {limits: {memory: \"${MEMORY_LIMIT}\"}}
        - name: worker
          image: registry.example/shop/worker:1
          resources: {limits: {memory: 1Gi}}
parameters:
- {name: NAME, value: api}
- {name: REPLICAS, value: \"2\"}
- {name: VERSION, value: \"1\"}
- {name: MEMORY_LIMIT, value: 512Mi}
";

#[test]
fn a_parameter_of_a_template_is_no_limit_and_the_others_are_injected() {
    let output = run_with_stdin(&["explain", "-f", "-", "-n", "shop", "-o", "json"], TEMPLATE);
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    let object = &report["objects"][0];
    assert_eq!((&object["name"], &object["namespace"]), (&"${NAME}".into(), &"shop".into()));
    let [app, worker] = &object["containers"].as_array().unwrap()[..] else { panic!("{object}") };
    assert_eq!(app["reason"], "invalid-limit");
    let explanation = app["explanation"].as_str().unwrap();
    let expected = "the memory limit \"${MEMORY_LIMIT}\" has a parameter of a template; fill it in first, as oc process does";
    assert!(explanation.contains(expected), "{explanation}");
    assert_eq!(worker["value"], "966367641");
    let output = run_with_stdin(&["inject", "-f", "-"], TEMPLATE);
    assert_eq!((output.code, output.stdout.matches("GOMEMLIMIT\n").count()), (0, 1), "{}", output.stdout);
    assert!(output.stdout.contains("    replicas: ${{REPLICAS}}\n"));
}

/// Knative gives the only container a name. The second run finds the value of the first.
#[test]
fn a_container_of_knative_needs_no_name() {
    let manifest = "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: hello}\nspec:\n  template:\n    spec:\n      \
                    containers:\n      - image: registry.example/shop/hello:1\n        resources: {limits: {memory: 1Gi}}\n";
    let output = run_with_stdin(&["inject", "-f", "-"], manifest);
    assert!(
        output.code == 0 && output.stdout.contains("value: \"966367641\""),
        "{}{}",
        output.stdout,
        output.stderr
    );
    let raised = output.stdout.replace("memory: 1Gi", "memory: 2Gi");
    let again = run_with_stdin(&["inject", "-f", "-"], &raised);
    assert!(again.stdout.contains("value: \"1932735283\""), "{}{}", again.stdout, again.stderr);
}

#[test]
fn what_no_rule_reaches_is_not_changed() {
    let manifest = "apiVersion: monitoring.coreos.com/v1\nkind: Prometheus\nmetadata: {name: k8s, namespace: monitoring}\nspec:\n  \
                    containers:\n  - {name: prometheus, resources: {limits: {memory: 1Gi}}}\n";
    let output = run_with_stdin(&["inject", "-f", "-"], manifest);
    assert_eq!((output.code, &*output.stdout), (0, manifest));
}

const CLUSTER: &str = "\
apiVersion: example.com/v1
kind: Crew
metadata: {name: all, namespace: shop}
spec:
  head:
    template:
      spec:
        containers:
        - name: head
          image: registry.example/shop/head:1
          resources: {limits: {memory: 1Gi}}
  workers:
  - template:
      spec:
        containers:
        - name: worker
          image: registry.example/shop/worker:1
          resources: {limits: {memory: 512Mi}}
";

#[test]
fn a_kind_that_is_not_known_is_shown_and_fails_a_gate() {
    let output = run_with_stdin(&["explain", "-f", "-"], CLUSTER);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let shown = "Crew shop/all: spec.head.template.spec.containers is not looked at: \
                 the kind Crew (example.com/v1) is not known; nor is another one of this kind; if its pods are made \
                 of this template as it is: --kind 'example.com/Crew=spec.head.template'\n";
    assert!(output.stderr.contains(shown), "{}", output.stderr);
    let gate = ["explain", "-f", "-", "--fail-on", "unknown-kind"];
    let output = run_with_stdin(&gate, CLUSTER);
    assert_eq!(output.code, 1, "{}", output.stderr);
    let output = run_with_stdin(&gate, &workload("apiVersion: argoproj.io/v1alpha1\nkind: Rollout"));
    assert_eq!(output.code, 0, "{}", output.stderr);
}

#[test]
fn a_kind_of_ones_own_is_injected() {
    let kinds =
        ["--kind", "example.com/Crew=spec.workers[*].template", "--kind=example.com/Crew=spec.head.template"];
    let output = run_with_stdin(&[&["inject", "-f", "-"], &kinds[..]].concat(), CLUSTER);
    assert_eq!(output.code, 0, "{}", output.stderr);
    for value in ["966367641", "483183820"] {
        assert!(
            output
                .stdout
                .contains(&format!("          - name: GOMEMLIMIT\n            value: \"{value}\"\n")),
            "{}",
            output.stdout
        );
    }
    assert!(!output.stderr.contains("not looked at"), "{}", output.stderr);
    let gate = [&["explain", "-f", "-", "--fail-on", "unknown-kind"], &kinds[..]].concat();
    assert_eq!(run_with_stdin(&gate, CLUSTER).code, 0);
    // One of the two paths is no rule.
    assert_eq!(run_with_stdin(&gate[..gate.len() - 1], CLUSTER).code, 1);
}

#[test]
fn a_kind_that_is_none_is_refused_with_what_to_write() {
    for (kind, expected) in [
        ("Crew", "\"Crew\" is not GROUP/KIND=PATH, such as example.com/Crew="),
        ("example.com/v1/Crew=spec.x", "every version counts: example.com/Crew=spec.x"),
        ("example.com/Crew=spec.x.spec.containers", "; write example.com/Crew=spec.x"),
    ] {
        let output = run_with_stdin(&["inject", "-f", "-", "--kind", kind], CLUSTER);
        assert!(output.code == 2 && output.stderr.contains(expected), "{}", output.stderr);
    }
}

/// Each has a container with a memory limit, and no list of containers.
#[rstest]
#[case(
    "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {name: a}\nspec:\n  templates:\n  - name: build\n    \
     container: {image: registry.example/build:1, resources: {limits: {memory: 1Gi}}}\n",
    "Workflow a: spec.templates[*].container is not looked at: the kind Workflow (argoproj.io/v1alpha1) is not known"
)]
#[case(
    "apiVersion: kafka.strimzi.io/v1beta2\nkind: Kafka\nmetadata: {name: a}\nspec:\n  kafka:\n    \
     resources: {limits: {memory: 8Gi}}\n",
    "Kafka a: spec.kafka.resources is not looked at: the kind Kafka (kafka.strimzi.io/v1beta2) is not known"
)]
// With an annotation in its template it would be refused, so no flag is named.
#[case(
    "apiVersion: kubeflow.org/v1\nkind: Notebook\nmetadata: {name: a}\nspec:\n  template:\n    spec:\n      \
     containers: [{name: a, image: i, resources: {limits: {memory: 8Gi}}}]\n",
    "Notebook a: spec.template.spec.containers is not looked at: the kind Notebook (kubeflow.org/v1) is not known\n"
)]
fn containers_in_other_forms_are_shown(#[case] manifest: &str, #[case] shown: &str) {
    let output = run_with_stdin(&["inject", "-f", "-"], manifest);
    assert_eq!((output.code, &*output.stdout), (0, manifest));
    assert!(output.stderr.contains(&format!("warning: (stdin): {shown}")), "{}", output.stderr);
    let gate = ["explain", "-f", "-", "--fail-on", "unknown-kind"];
    assert_eq!(run_with_stdin(&gate, manifest).code, 1);
}

/// Without a slash it may be a slip: the core group has a form of its own.
#[test]
fn a_kind_without_a_group_is_refused_with_both_forms() {
    for (kind, expected) in [
        (
            "Crew=spec.x",
            "\"Crew\" has no API group; write GROUP/Crew=spec.x, or /Crew=spec.x for the core group",
        ),
        ("crew.example.com=spec.x", "write example.com/crew=spec.x"),
        ("v1/Crew=spec.x", "the core group has no name, and every version counts; write /Crew=spec.x"),
        ("core/Crew=spec.x", "write /Crew=spec.x"),
    ] {
        let output = run_with_stdin(&["explain", "-f", "-", "--kind", kind], "");
        assert!(output.code == 2 && output.stderr.contains(expected), "{}", output.stderr);
    }
    let core = "apiVersion: v1\nkind: Crew\nmetadata: {name: c}\nspec: {x: {spec: {containers: [{name: a, resources: {limits: \
                {memory: 1Gi}}}]}}}\n";
    let output = run_with_stdin(&["explain", "-f", "-", "--kind", "/Crew=spec.x"], core);
    assert_eq!((output.code, &*output.stderr), (0, ""));
    assert!(output.stdout.contains("Crew default/c  a          1Gi"), "{}", output.stdout);
}

/// A slip in the group, the kind or the path would be a pod without a value.
#[test]
fn a_kind_that_nothing_is_of_is_a_warning() {
    let object = "apiVersion: example.com/v1\nkind: Box\nspec: {big: {spec: {containers: [{name: a, resources: {limits: {memory: \
                  1Gi}}}]}}}\n";
    let list = format!("apiVersion: v1\nkind: List\nitems:\n- {}", object.replace('\n', "\n  "));
    let is_met = ["--kind", "example.com/Box=spec.big"];
    for text in [object, &list] {
        let output = run_with_stdin(&[&["explain", "-f", "-"], &is_met[..]].concat(), text);
        assert_eq!((output.code, &*output.stderr), (0, ""));
    }
    for (kind, expected) in [
        ("example.org/Box=spec.big", "no object of this kind is among the inputs"),
        ("example.com/box=spec.big", "no object of this kind is among the inputs"),
        ("/Box=spec.big", "no object of this kind is among the inputs"),
        ("example.com/Box=spec.small", "no object of this kind has a pod with containers at this path"),
    ] {
        let warning = format!("warning: --kind {kind}: {expected}\n");
        for command in ["explain", "inject"] {
            let output =
                run_with_stdin(&[&[command, "-q", "-f", "-", "--kind", kind], &is_met[..]].concat(), object);
            assert_eq!((output.code, &*output.stderr), (0, &*warning));
        }
    }
}

/// What fills in a placeholder depends on what the manifest is written for.
#[test]
fn the_advice_about_a_placeholder_fits_its_template() {
    let pod = |limit: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{containers: [{{name: a, resources: {{limits: {{memory: \
             '{limit}'}}}}}}]}}\n"
        )
    };
    let template = |limit: &str| {
        let object = pod(limit).replace('\n', "\n  ");
        format!("apiVersion: template.openshift.io/v1\nkind: Template\nobjects:\n- {object}")
    };
    let parameter = "has a parameter of a template; fill it in first, as oc process does";
    let variable = "has a variable; replace it first, as envsubst, Flux (postBuild) or kustomize (vars) do";
    let part = "is part of a template; render it first, with helm template or whatever it was written for";
    for (text, limit, expected) in [
        (template("${MEMORY}"), "${MEMORY}", parameter),
        (template("${{MEMORY}}"), "${{MEMORY}}", parameter),
        (template("{{ .Values.memory }}"), "{{ .Values.memory }}", part),
        (pod("${MEMORY}"), "${MEMORY}", variable),
        (pod("${MEMORY:=1Gi}"), "${MEMORY:=1Gi}", variable),
        (pod("$MEMORY"), "$MEMORY", variable),
        (pod("$(MEMORY)"), "$(MEMORY)", variable),
        (pod("{{ .Values.memory }}"), "{{ .Values.memory }}", part),
        (pod("{% memory %}"), "{% memory %}", part),
        (pod("<%= memory %>"), "<%= memory %>", part),
        (pod("lots"), "lots", "is not a Kubernetes quantity such as 512Mi"),
    ] {
        let report = run_with_stdin(&["explain", "-f", "-", "-o", "json"], &text).json();
        let container = &report["objects"][0]["containers"][0];
        assert_eq!(container["explanation"], format!("the memory limit \"{limit}\" {expected}"), "{text}");
    }
}

/// Also within a List, and if another document has an object of its name.
#[test]
fn an_unknown_kind_is_found_on_its_line() {
    let object = |name: &str| {
        format!(
            "apiVersion: example.com/v1\nkind: Crew\nmetadata: {{name: {name}}}\nspec:\n  groups:\n  - {{}}\n  - template:\n      spec:\n        \
             containers:\n        - name: ray\n"
        )
    };
    let item = |name: &str| object(name).replace('\n', "\n  ").trim_end().to_owned();
    let list = format!(
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n- {}\n- {}\n",
        item("a"),
        item("a")
    );
    let text = format!("a: 1\n---\n{}---\n{}---\n{list}", object("a"), object("a"));
    let gate = ["explain", "-f", "-", "--fail-on", "unknown-kind"];
    let log = run_with_stdin(&[&gate[..], &["-o", "junit"]].concat(), &text).stdout;
    let lines: Vec<_> =
        log.match_indices("(stdin):").map(|(at, _)| log[at + 8..].split(':').next().unwrap()).collect();
    let expected: Vec<_> = text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.contains("name: ray"))
        .map(|(at, _)| (at + 1).to_string())
        .collect();
    assert_eq!((expected.len(), lines), (4, expected.iter().map(String::as_str).collect()), "{log}");
}
