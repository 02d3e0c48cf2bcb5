//! The hooks of `.pre-commit-hooks.yaml`, run by pre-commit in a repository of git.

use std::{fs, path::PathBuf, process::Command};

use super::{PAGE, Programs, root};

fn pre_commit() -> PathBuf {
    let output = Command::new(root().join("tests/cli/integrations/pre-commit")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().into()
}

const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api}\nspec:\n  template:\n    spec:\n      \
                          containers:\n      - name: api\n        resources: {limits: {memory: 128MiB}}\n";

#[test]
#[ignore = "needs Python"]
fn the_hooks_find_and_change() {
    let programs = Programs::new(&[("pre-commit", pre_commit())]);
    // The hooks as they are in this checkout, in a repository of their own.
    let (hooks, shop) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::copy(root().join(".pre-commit-hooks.yaml"), hooks.path().join(".pre-commit-hooks.yaml")).unwrap();
    let run = |folder: &tempfile::TempDir, line: &str| {
        let mut command = programs.command(line);
        for name in ["GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"] {
            command.env_remove(name);
        }
        let output = command.current_dir(folder.path()).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let git = "git -c user.name=t -c user.email=t@example.com";
    let commit = format!("git init -q && git add -A && {git} commit -qm x && git tag v0.1.0");
    assert_eq!(run(&hooks, &commit).0, 0);
    assert_eq!(run(&hooks, "pre-commit validate-manifest .pre-commit-hooks.yaml"), (0, String::new()));

    // The configuration of the page, with this address.
    let (_, config) = PAGE.split_once("```yaml\n# .pre-commit-config.yaml\n").unwrap();
    let config = config.split("```").next().unwrap();
    let address = "https://github.com/OWNER/gomemlimit";
    assert!(config.contains(address), "{config}");
    let config = config.replace(address, &hooks.path().display().to_string());
    fs::write(shop.path().join(".pre-commit-config.yaml"), config).unwrap();
    fs::create_dir_all(shop.path().join("charts/shop/templates")).unwrap();
    fs::write(shop.path().join("charts/shop/templates/pod.yaml"), "kind: {{ .Values.kind }}\n").unwrap();
    fs::write(shop.path().join("api.yaml"), DEPLOYMENT).unwrap();
    assert_eq!(run(&shop, "git init -q && git add -A").0, 0);

    let (code, shown) = run(&shop, "pre-commit run");
    assert!(code == 1 && shown.contains("did you mean 128Mi?"), "{code} {shown}");

    fs::write(shop.path().join("api.yaml"), DEPLOYMENT.replace("128MiB", "128Mi")).unwrap();
    let (code, shown) = run(&shop, "git add -A && pre-commit run gomemlimit");
    assert_eq!(code, 0, "{shown}");
    let (code, shown) = run(&shop, "pre-commit run gomemlimit-inject");
    assert!(code == 1 && shown.contains("files were modified by this hook"), "{code} {shown}");
    let text = fs::read_to_string(shop.path().join("api.yaml")).unwrap();
    assert!(text.contains("value: \"120795955\""), "{text}");
    let (code, shown) = run(&shop, "git add -A && pre-commit run");
    assert_eq!(code, 0, "{shown}");
}
