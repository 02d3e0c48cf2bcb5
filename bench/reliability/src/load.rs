//! Steady load for a long time, while the certificate files change.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use gomemlimit_bench::statistics::slope;
use gomemlimit_reliability::process::{Load, Rotation, Sample};
use rustls::pki_types::CertificateDer;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::{
    client::Target,
    honest::{Manner, Team},
    program::{Log, Program, leftovers},
    trust::{Authority, Mount},
};

const CONNECTIONS: usize = 256;
/// How many of them open another connection after [`RENEW`] requests.
const RECONNECTING: usize = 32;
const RENEW: u64 = 20;
/// Between two requests of a connection: a thousand a second of all of them, which leaves both sides time to spare.
const PERIOD: Duration = Duration::from_millis(256);
/// How often the program looks at its files.
const TLS_POLL: Duration = Duration::from_secs(1);
/// How much later than that a new certificate may be served.
const LATE: Duration = Duration::from_secs(10);
/// Saved of all samples.
const SAVED_SAMPLES: usize = 40;

/// For so long, with a new certificate so often.
pub async fn run(binary: &Path, length: Duration, rotation: Duration) -> Result<Load> {
    let authority = Authority::new()?;
    let mount = Mount::new(&authority)?;
    let flags = ["--tls-poll".to_owned(), format!("{}s", TLS_POLL.as_secs())];
    let mut program = Program::start(binary, &mount, &flags, None, Log::Read).await?;
    let target = Target { address: program.address, tls: authority.client()? };
    // Twice the poll, so that the thread that reads the files is counted.
    sleep(TLS_POLL * 2).await;
    let started = Instant::now();
    let (before, cpu) = (program.sample(started).await?, program.cpu()?);
    let team = Team::start(&target, (0..CONNECTIONS).map(manner))?;
    let Course { samples, rotations, mut violations } =
        Course::run(&program, &target, (mount, &authority), length, rotation).await?;
    let counts = team.stop().await?;
    let handshakes = counts.handshakes;
    let latency = counts.latency();
    let cpu_us = (program.cpu()? - cpu) * 1e6 / latency.requests as f64;
    let after = program.settle(&before, true).await?;
    if latency.failed() > 0 {
        violations.push(format!("requests failed: {:?}", latency.errors));
    }
    if !program.is_alive()? {
        violations.push("the program ended".to_owned());
    }
    violations.extend(leftovers(&before, &after, true));
    let second_half = samples.iter().skip(samples.len() / 2);
    let second_half = second_half.map(|sample| (sample.seconds / 60.0, sample.resident_kib as f64));
    let resident = |sample: Option<&Sample>| sample.map_or(0, |sample| sample.resident_kib);
    Ok(Load {
        seconds: length.as_secs(),
        connections: CONNECTIONS,
        reconnecting: RECONNECTING,
        rate: (CONNECTIONS as f64 / PERIOD.as_secs_f64()) as u64,
        latency,
        handshakes,
        rotations,
        before,
        after,
        first_kib: resident(samples.first()),
        last_kib: resident(samples.last()),
        peak_kib: program.peak_kib()?,
        slope_kib_per_minute: slope(&second_half.collect::<Vec<_>>()),
        cpu_us,
        samples: samples.iter().step_by(samples.len() / SAVED_SAMPLES + 1).copied().collect(),
        violations,
    })
}

/// What was seen and done while the load lasted.
#[derive(Default)]
struct Course {
    samples: Vec<Sample>,
    rotations: Vec<Rotation>,
    violations: Vec<String>,
}

impl Course {
    async fn run(
        program: &Program,
        target: &Target,
        (mut mount, authority): (Mount, &Authority),
        length: Duration,
        rotation: Duration,
    ) -> Result<Self> {
        let mut course = Self::default();
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let started = Instant::now();
        let mut next = started + rotation;
        while started.elapsed() < length {
            seconds.tick().await;
            course.samples.push(program.sample(started).await?);
            if Instant::now() < next {
                continue;
            }
            next += rotation;
            let certificate = mount.renew(authority)?;
            let seconds = started.elapsed().as_secs_f64();
            match until_served(target, &certificate).await? {
                Some(after) => {
                    course.rotations.push(Rotation { seconds, served_after_ms: after.as_secs_f64() * 1e3 });
                }
                None => course.violations.push(format!("a certificate was not served within {LATE:?}")),
            }
        }
        Ok(course)
    }
}

fn manner(number: usize) -> Manner {
    let offset = PERIOD.mul_f64(number as f64 / CONNECTIONS as f64);
    Manner { period: PERIOD, offset, renew: (number < RECONNECTING).then_some(RENEW), size: None }
}

/// How long it takes until a new handshake is shown this certificate.
async fn until_served(target: &Target, certificate: &CertificateDer<'_>) -> Result<Option<Duration>> {
    let started = Instant::now();
    while started.elapsed() < TLS_POLL + LATE {
        let stream = target.connect().await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        if shown.context("no certificate was shown")? == certificate {
            return Ok(Some(started.elapsed()));
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(None)
}
