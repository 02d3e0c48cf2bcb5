//! Tells texts that are still templates (Helm, Jinja, Go, Nomad, ERB) from broken YAML.

/// What begins a template's line or value.
const OPENINGS: [&str; 3] = ["{{", "{%", "<%"];

/// What only Helm's templates have.
const HELM: [&str; 8] =
    [".Values", ".Release.", ".Chart.", ".Capabilities.", "include \"", "nindent ", "toYaml ", ".Files."];

/// The byte of the first line that makes `text` a template, not YAML. `text` has the lines in which YAML has an
/// error: the forms looked for cannot be in a manifest there, while `{{` in quotes can; on the last line, which is that of
/// the error, any place is suspect.
pub(crate) fn first_line(text: &str) -> Option<usize> {
    let mut next = 0;
    text.split_inclusive('\n').find_map(|line| {
        let at = next;
        next += line.len();
        is_template(line, next == text.len()).then_some(at)
    })
}

fn is_template(line: &str, is_last: bool) -> bool {
    let text = line.trim_start();
    let begins = |text: &str| OPENINGS.iter().any(|opening| text.starts_with(opening));
    if begins(text) {
        return true;
    }
    if text.starts_with('#') {
        return false;
    }
    let is_value = [": {{", "- {{", ": {%", "- {%"].iter().any(|form| text.contains(form));
    let is_unquoted = text
        .split_once("{{")
        .or_else(|| text.split_once("{%"))
        .is_some_and(|(before, _)| ['"', '\''].iter().all(|quote| before.matches(*quote).count() % 2 == 0));
    // `"{{ include "shop.name" . }}"`: for YAML the quotes end within it.
    let is_torn = text.split_once("{{").is_some_and(|(before, rest)| {
        let inside = rest.split_once("}}").map_or(rest, |(inside, _)| inside);
        ['"', '\''].iter().any(|quote| before.matches(*quote).count() % 2 == 1 && inside.contains(*quote))
    });
    (is_unquoted && (is_value || is_last)) || (is_torn && is_last)
}

/// Whether a template is one of Helm.
pub(crate) fn is_helm(text: &str) -> bool {
    HELM.iter().any(|sign| text.contains(sign))
}
