//! Heads and bodies that two parsers might understand in two ways, which is what request smuggling lives on (RFC 9112,
//! section 11.2). There is no second parser here, but one may be in front of the webhook.

mod forms;

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use tokio::time::Instant;

use self::forms::{Expected, Form, SMUGGLED, forms};
use super::{AttackCase, Found, Scene};
use crate::wire::{Ending, send_and_read};

/// After that a connection is taken to be kept open on purpose.
const QUIET: Duration = Duration::from_millis(700);

pub fn cases() -> Vec<AttackCase> {
    vec![AttackCase::new(
        "framing of HTTP",
        "requests that hide another one or break RFC 9112, over and over",
        run,
    )]
}

async fn run(scene: Arc<Scene>) -> Result<Found> {
    let forms = forms()?;
    let mut found = Found::default();
    let until = Instant::now() + scene.length;
    while found.cases.is_empty() || Instant::now() < until {
        for some in forms.chunks(8) {
            let sent = some.iter().map(|form| async {
                // One that is refused is closed at once, or when the rest of it does not arrive.
                let timeout = if form.expected == Expected::Refused { scene.deadline() } else { QUIET };
                Ok::<_, anyhow::Error>(
                    send_and_read(scene.target.connect().await?, &form.bytes, timeout).await,
                )
            });
            for (form, ending) in some.iter().zip(futures::future::join_all(sent).await) {
                let ending = ending?;
                if !lawful(form, &ending) {
                    found.violation(format!("{}: {}", form.name, ending.outcome()));
                }
                found.count(
                    if refused(&ending) { "refused" } else { "answered once, as RFC 9112 says" }.to_owned(),
                );
                found.case(form.name, ending.outcome());
            }
        }
    }
    Ok(found)
}

/// Never more than one answer, and never one to the request inside.
fn lawful(form: &Form, ending: &Ending) -> bool {
    let answers = ending.answers();
    let smuggled = String::from_utf8_lossy(&ending.received).contains(SMUGGLED);
    !smuggled
        && match form.expected {
            Expected::Refused => refused(ending),
            Expected::Once(status) => matches!(&*answers, [answer] if answer.status == status),
        }
}

/// No review was answered, and the connection is of no further use.
fn refused(ending: &Ending) -> bool {
    let answers = ending.answers();
    ending.closed && answers.len() <= 1 && answers.iter().all(|answer| answer.status >= 400)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending(received: &str, closed: bool) -> Ending {
        Ending { received: received.as_bytes().to_vec(), closed, after: Duration::ZERO }
    }

    #[test]
    fn a_second_answer_is_never_lawful() {
        let form = |expected| Form { name: "", bytes: Vec::new(), expected };
        let once = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
        let twice = once.repeat(2);
        let inside = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{SMUGGLED}", SMUGGLED.len());
        assert!(lawful(&form(Expected::Refused), &ending(once, true)));
        assert!(!lawful(&form(Expected::Refused), &ending(once, false)));
        assert!(!lawful(&form(Expected::Refused), &ending(&twice, true)));
        assert!(lawful(&form(Expected::Once(400)), &ending(once, false)));
        assert!(!lawful(&form(Expected::Once(400)), &ending(&twice, true)));
        assert!(!lawful(&form(Expected::Once(200)), &ending(&inside, true)));
    }
}
