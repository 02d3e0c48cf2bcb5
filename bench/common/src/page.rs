//! Pages: templates in Markdown, filled with records. The same records give the same bytes.

use anyhow::{Context, Result};
use minijinja::{Environment, UndefinedBehavior, syntax::SyntaxConfig, value::Serde};
use serde::Serialize;

/// Fills a template (the syntax of Jinja) with a record. The filters besides the usual ones:
///
/// - `fixed(digits)` and `signed(digits)`: a number with digits behind the point, and with its sign;
/// - `mib`: KiB as MiB;
/// - `duration`: microseconds as µs, from 1,000 on as ms.
///
/// # Errors
/// If the template asks for a field that the record does not have.
pub fn render(template: &str, record: &impl Serialize) -> Result<String> {
    let mut pages = Environment::new();
    pages.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax =
        SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    pages.set_syntax(syntax.context("the syntax of templates")?);
    pages.add_filter("fixed", |value: f64, digits: usize| format!("{value:.digits$}"));
    pages.add_filter("signed", |value: f64, digits: usize| format!("{value:+.digits$}"));
    pages.add_filter("mib", |kib: f64| format!("{:.1} MiB", kib / 1024.0));
    pages.add_filter("duration", |us: f64| match us {
        ..1000.0 => format!("{us:.0} µs"),
        _ => format!("{:.1} ms", us / 1e3),
    });
    pages.render_str(template, Serde(record)).context("the page")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::render;

    #[test]
    fn figures_are_written_for_people() {
        let template =
            "{{ x | fixed(1) }} {{ x | signed(2) }} {{ n | mib }} {{ x | duration }} {{ n | duration }}\n";
        let page = render(template, &json!({"x": 12.345, "n": 2048})).unwrap();
        assert_eq!(page, "12.3 +12.35 2.0 MiB 12 µs 2.0 ms\n");
        assert!(render("{{ y }}", &json!({})).is_err());
    }
}
