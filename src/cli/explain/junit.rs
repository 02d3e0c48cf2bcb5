//! `-o junit`: XML as `JUnit` writes it, which Jenkins and GitLab show: a suite for each file, a test for each container.

use std::io;

use quick_xml::{
    Writer,
    events::{BytesDecl, BytesText, Event},
    writer::ElementWriter,
};

use super::finding::{Case, FileCases, Finding, Rule, RunReport};
use crate::cli::{manifest_files::Severity, output};

type Xml = Writer<Vec<u8>>;

const TOOL: &str = "gomemlimit";

/// Tests, failed tests and tests with errors.
#[derive(Clone, Copy, Default)]
struct Counts([usize; 3]);

impl Counts {
    fn of(cases: &[Case]) -> Self {
        let failed =
            |case: &Case, is_error| first(case).is_some_and(|finding| is_error == is_unreadable(finding));
        let count = |is_error| cases.iter().filter(|case| failed(case, is_error)).count();
        Self([cases.len(), count(false), count(true)])
    }

    fn attributes(self) -> impl Iterator<Item = (&'static str, String)> {
        ["tests", "failures", "errors"].into_iter().zip(self.0.map(|count| count.to_string()))
    }
}

/// The report of one run.
///
/// # Errors
///
/// None: memory takes what is written.
pub(super) fn report(run: &RunReport<'_>) -> io::Result<Vec<u8>> {
    let files = run.files;
    let errors = run.problems.iter().filter(|problem| problem.severity == Severity::Error);
    let errors: Vec<_> = errors.map(|problem| allowed(&problem.text)).collect();
    let of_run = (!errors.is_empty()).then_some(Counts([1, 0, 1]));
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let of_files = files.iter().map(|file| Counts::of(&file.cases));
    let all = of_files.chain(of_run).fold(Counts::default(), |all, file| {
        let mut sums = all.0;
        sums.iter_mut().zip(file.0).for_each(|(sum, count)| *sum += count);
        Counts(sums)
    });
    let root = xml.create_element("testsuites").with_attribute(("name", TOOL));
    with(root, all.attributes()).write_inner_content(|xml| {
        files.iter().try_for_each(|file| suite(xml, file))?;
        of_run.map_or(Ok(()), |counts| suite_of_run(xml, counts, &errors))
    })?;
    let mut report = xml.into_inner();
    report.push(b'\n');
    Ok(report)
}

fn suite(xml: &mut Xml, file: &FileCases) -> io::Result<()> {
    let name = [("name", allowed(&file.source))].into_iter();
    let suite = with(xml.create_element("testsuite"), name.chain(Counts::of(&file.cases).attributes()));
    suite.write_inner_content(|xml| file.cases.iter().try_for_each(|case| test(xml, file, case)))?;
    Ok(())
}

/// One test for what is wrong with the run as a whole.
fn suite_of_run(xml: &mut Xml, counts: Counts, errors: &[String]) -> io::Result<()> {
    let name = [("name", TOOL.to_owned())].into_iter();
    let suite = with(xml.create_element("testsuite"), name.chain(counts.attributes()));
    suite.write_inner_content(|xml| {
        let test = xml.create_element("testcase").with_attributes([("name", "run"), ("classname", TOOL)]);
        test.write_inner_content(|xml| {
            let message = errors.first().cloned().unwrap_or_default();
            let attributes = [("message", message), ("type", "run".to_owned())];
            with(xml.create_element("error"), attributes.into_iter())
                .write_text_content(BytesText::new(&errors.join("\n")))?;
            Ok(())
        })?;
        Ok(())
    })?;
    Ok(())
}

fn test(xml: &mut Xml, file: &FileCases, case: &Case) -> io::Result<()> {
    let name = case.name();
    let class = case.object.as_ref().unwrap_or(&file.source);
    let attributes = [("name", &name), ("classname", class), ("file", &file.source)];
    let attributes = attributes.into_iter().map(|(name, value)| (name, allowed(value)));
    let test = with(xml.create_element("testcase"), attributes);
    let Some(finding) = first(case) else {
        test.write_empty()?;
        return Ok(());
    };
    test.write_inner_content(|xml| {
        let element = if is_unreadable(finding) { "error" } else { "failure" };
        let attributes = [("message", allowed(&finding.text)), ("type", finding.rule.id().to_owned())];
        let all = case.findings.iter().filter(|finding| finding.fails);
        let lines: Vec<_> = all
            .map(|finding| {
                allowed(&format!("{}:{}: {}", file.source, finding.place.0, finding.message(case)))
            })
            .collect();
        with(xml.create_element(element), attributes.into_iter())
            .write_text_content(BytesText::new(&lines.join("\n")))?;
        Ok(())
    })?;
    Ok(())
}

/// The first finding that the test fails by.
fn first(case: &Case) -> Option<&Finding> {
    case.findings.iter().find(|finding| finding.fails)
}

fn is_unreadable(finding: &Finding) -> bool {
    matches!(finding.rule, Rule::Unreadable)
}

fn with(
    element: ElementWriter<'_, Vec<u8>>,
    attributes: impl Iterator<Item = (&'static str, String)>,
) -> ElementWriter<'_, Vec<u8>> {
    attributes.fold(element, |element, (name, value)| element.with_attribute((name, &*value)))
}

/// The text on one line without what a terminal would obey, and without what no XML has, also not escaped (XML 1.0,
/// section 2.2).
fn allowed(text: &str) -> String {
    output::clean(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}
