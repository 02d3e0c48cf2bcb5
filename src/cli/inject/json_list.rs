//! `-o json`: one object, or a List that is written an input at a time.

use super::{
    report::Report,
    stdout::{NotWritten, write},
};

const BEGIN: &str = "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"List\",\n  \"items\": [";
const END: &str = "]\n}\n";

#[derive(Default)]
pub(super) struct JsonList {
    /// The first object: alone it is no List.
    first: Option<String>,
    reports: Vec<Report>,
    is_list: bool,
}

impl JsonList {
    pub(super) fn take(
        &mut self,
        objects: Vec<String>,
        report: Report,
        quiet: bool,
    ) -> Result<(), NotWritten> {
        for object in objects {
            let Some(first) = self.first.take() else {
                if self.is_list {
                    write(&format!(",\n{}", indented(&object)))?;
                } else {
                    self.first = Some(object);
                }
                continue;
            };
            write(&format!("{BEGIN}\n{},\n{}", indented(&first), indented(&object)))?;
            self.is_list = true;
        }
        self.reports.push(report);
        // Before there is a List, nothing is written.
        if self.is_list {
            self.print(quiet);
        }
        Ok(())
    }

    pub(super) fn finish(mut self, quiet: bool) -> Result<(), NotWritten> {
        match self.first.take() {
            Some(object) => write(&format!("{object}\n"))?,
            None if self.is_list => write(&format!("\n  {END}"))?,
            None => write(&format!("{BEGIN}{END}"))?,
        }
        self.print(quiet);
        Ok(())
    }

    fn print(&mut self, quiet: bool) {
        self.reports.drain(..).for_each(|report| report.print(quiet));
    }
}

/// An item of the List; no text of JSON has a line end.
fn indented(object: &str) -> String {
    let lines: Vec<_> = object.lines().map(|line| format!("    {line}")).collect();
    lines.join("\n")
}
