//! The two sections of docs/reliability.md, made of the saved records: the same records give the same bytes.

use std::{
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

use super::{Fault, Latency, POD_FORMS, PodForms};

/// "In a cluster" and "Pods of every form", of all records in `folder`.
///
/// # Errors
/// If a record cannot be read.
pub fn markdown(folder: &Path) -> io::Result<String> {
    let mut files = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<PathBuf>>>()?;
    files.retain(|file| file.extension().is_some_and(|ending| ending == "json"));
    files.sort();
    let (forms, faults): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|file| file.file_stem().is_some_and(|name| name == POD_FORMS));
    let faults = faults.iter().map(|file| read(file)).collect::<io::Result<Vec<Fault>>>()?;
    let mut text = in_a_cluster(&faults);
    for file in forms {
        text.push('\n');
        text += &pods_of_every_form(&read(&file)?);
    }
    Ok(text)
}

fn read<T: DeserializeOwned>(file: &Path) -> io::Result<T> {
    serde_json::from_str(&fs::read_to_string(file)?)
        .map_err(|error| io::Error::other(format!("{}: {error}", file.display())))
}

fn in_a_cluster(faults: &[Fault]) -> String {
    let mut text = "## In a cluster\n\n\
         Two replicas, installed by the chart with its defaults, on a Kubernetes cluster of one node. Real pods are created at a \
         steady rate before, during and after each fault. Promised: each pod is created; each gets its value or is reported by \
         `gomemlimit audit` with its reason; no acknowledged pod is missing afterwards; once the fault is over, each pod gets \
         its value again.\n\n\
         | Fault | Seen | Pods created | Refused | Injected | Reported | Lost | Every pod injected again after |\n\
         |---|---|---|---|---|---|---|---|\n"
        .to_owned();
    // Writing to a String cannot fail.
    for fault in faults {
        let _ = writeln!(
            text,
            "| {}, {:.0} s | {} | {} | {} | {} | {} | {} | {:.1} s |",
            fault.fault,
            fault.fault_seconds,
            fault.evidence,
            fault.created,
            fault.refused,
            fault.injected,
            fault.reported,
            fault.lost,
            fault.recovery_seconds
        );
    }
    text.push_str(
        "\nHow long a creation took, of those answered before the fault, under way or begun during it, and begun after it; and how many got a value. The API \
         server waits for a webhook for 3 s by the chart's default.\n\n\
         | Fault | Pods/s | | Pods | Injected | p50 | p99 | Slowest |\n|---|---|---|---|---|---|---|---|\n",
    );
    for fault in faults {
        for (name, latency) in [("before", &fault.before), ("during", &fault.during), ("after", &fault.after)]
        {
            let first = name == "before";
            let (title, rate) =
                if first { (&*fault.fault, fault.pods_per_second.to_string()) } else { ("", String::new()) };
            let _ = writeln!(text, "| {title} | {rate} | {name} | {} |", row(latency));
        }
    }
    text
}

fn row(latency: &Latency) -> String {
    let Latency { count, injected, p50_ms, p99_ms, max_ms } = latency;
    format!("{count} | {injected} | {p50_ms:.0} ms | {p99_ms:.0} ms | {max_ms:.0} ms")
}

fn pods_of_every_form(forms: &PodForms) -> String {
    let mut text = format!(
        "## Pods of every form\n\n\
         Pods are made up from the schema that the API server publishes, and each is created twice by server-side dry run: in a \
         namespace that has not opted in, and in one that has. Promised: both are accepted or both are refused with the \
         same words; and what is accepted differs in `GOMEMLIMIT`, `GOMEMLIMIT_MIB` and the status annotation only.\n\n\
         | Kubernetes | Accepted both ways | Refused both ways | Different | Webhook not reached | Containers | Init containers | Values set | \
         Properties of the schema seen |\n|---|---|---|---|---|---|---|---|---|\n\
         | {} | {} | {} | {} | {} | {} | {} | {} | {} of {} |\n",
        forms.kubernetes,
        forms.accepted,
        forms.refused,
        forms.different,
        forms.not_asked,
        forms.containers,
        forms.init_containers,
        forms.values,
        forms.properties_accepted,
        forms.properties,
    );
    let never: Vec<_> =
        forms.never.iter().map(|(kind, names)| format!("{kind}: {}", names.join(", "))).collect();
    if !never.is_empty() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\nNo accepted pod had these: {}.", never.join("; "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::save;

    #[test]
    fn the_page_has_a_row_for_each_record() -> io::Result<()> {
        let folder = std::env::temp_dir().join(format!("gomemlimit-page-{}", std::process::id()));
        let latency = || Latency { count: 10, injected: 8, p50_ms: 5.2, p99_ms: 3001.4, max_ms: 3002.0 };
        let fault = Fault {
            kubernetes: "v1.37.2".to_owned(),
            fault: "one of two replicas frozen".to_owned(),
            evidence: "its state was T".to_owned(),
            fault_seconds: 12.04,
            pods_per_second: 10,
            created: 30,
            refused: 0,
            retried: 0,
            injected: 26,
            reported: 4,
            lost: 0,
            before: latency(),
            during: latency(),
            after: latency(),
            recovery_seconds: 0.25,
        };
        save(&folder, "frozen", &fault)?;
        let only_faults = markdown(&folder)?;
        let forms = PodForms {
            kubernetes: "v1.37.2".to_owned(),
            seed: 7,
            generated: 12,
            accepted: 9,
            refused: 3,
            different: 0,
            not_asked: 0,
            containers: 20,
            init_containers: 8,
            values: 11,
            properties_accepted: 99,
            properties: 100,
            never: [("Volume".to_owned(), vec!["gitRepo".to_owned()])].into(),
            seconds: 1.0,
        };
        save(&folder, POD_FORMS, &forms)?;
        let text = markdown(&folder)?;
        fs::remove_dir_all(&folder)?;
        assert!(
            text.contains("| one of two replicas frozen, 12 s | its state was T | 30 | 0 | 26 | 4 | 0 |"),
            "{text}"
        );
        assert!(text.contains("|  |  | during | 10 | 8 | 5 ms | 3001 ms | 3002 ms |"), "{text}");
        assert!(!only_faults.contains("Pods of every form") && text.starts_with(&only_faults), "{text}");
        assert!(text.contains("| v1.37.2 | 9 | 3 | 0 | 0 | 20 | 8 | 11 | 99 of 100 |"), "{text}");
        assert!(text.contains("No accepted pod had these: Volume: gitRepo."), "{text}");
        Ok(())
    }
}
