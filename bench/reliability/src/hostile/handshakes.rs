//! TLS as it was, TLS that is not TLS, and handshakes that never come to an end.

use std::{process::Stdio, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use tokio::{
    io::AsyncWriteExt,
    process::Command,
    time::{Instant, sleep, timeout},
};

use super::{AttackCase, Found, Scene, hello};
use crate::wire::{read_to_end, send_and_read};

pub fn cases() -> Vec<AttackCase> {
    vec![
        AttackCase::new(
            "handshakes of another time",
            "old versions and records of every wrong form, over and over",
            handshakes,
        ),
        AttackCase::new(
            "renegotiation and key updates",
            "clients that finish a handshake and want the next",
            after_the_handshake,
        ),
    ]
}

/// What the server is to say to it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// An alert, or the end without a word.
    Refused,
    /// This alert and no other.
    Alert(&'static str),
    /// The form is unusual and allowed.
    Served,
}

struct Form {
    name: &'static str,
    bytes: Vec<u8>,
    expected: Expected,
}

fn forms() -> Vec<Form> {
    use Expected::{Alert, Refused, Served};
    let old = |version, extensions: &[u8]| {
        hello::record(22, version, &hello::client_hello(version, &hello::OLD_SUITES, extensions))
    };
    let modern = hello::client_hello(0x0303, &[0xc02b, 0xc02c], &hello::EXTENSIONS);
    let in_bytes: Vec<u8> = modern.iter().flat_map(|byte| hello::record(22, 0x0301, &[*byte])).collect();
    let weak = hello::client_hello(0x0303, &hello::WEAK_SUITES, &hello::EXTENSIONS);
    let endless = hello::message(1, 0x00ff_ffff, &vec![0; 16_000]);
    let form = |name, expected, bytes| Form { name, bytes, expected };
    vec![
        form("SSL 2.0", Refused, b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x07\x00\xc0".repeat(4)),
        form("SSL 3.0", Refused, old(0x0300, &[])),
        form("TLS 1.0", Refused, old(0x0301, &[])),
        form("TLS 1.1", Refused, old(0x0302, &[])),
        form(
            "TLS 1.0 with the extensions of 1.2",
            Alert("protocol_version"),
            old(0x0301, &hello::EXTENSIONS),
        ),
        form(
            "TLS 1.1 with the extensions of 1.2",
            Alert("protocol_version"),
            old(0x0302, &hello::EXTENSIONS),
        ),
        form(
            "TLS 1.2 with RC4, export and null ciphers only",
            Alert("handshake_failure"),
            hello::record(22, 0x0301, &weak),
        ),
        form("TLS 1.2 as it should be", Served, hello::record(22, 0x0301, &modern)),
        form("the same in records of one byte", Served, in_bytes),
        form("a ClientHello that claims 16 MiB", Refused, hello::record(22, 0x0301, &endless).repeat(8)),
        form("a record that claims 65,535 bytes", Refused, [&[22, 3, 1, 0xff, 0xff][..], &[0; 100]].concat()),
        form("100,000 empty records", Refused, hello::record(22, 0x0301, &[]).repeat(100_000)),
        form(
            "10,000 ChangeCipherSpec before any hello",
            Refused,
            hello::record(20, 0x0303, &[1]).repeat(10_000),
        ),
        form(
            "a heartbeat that asks for 16 KiB (Heartbleed)",
            Refused,
            hello::record(24, 0x0302, &[1, 0x40, 0]),
        ),
        form("application data before any hello", Refused, hello::record(23, 0x0303, &[0; 100])),
        form(
            "plain HTTP",
            Refused,
            b"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".to_vec(),
        ),
        form(
            "64 KiB of noise",
            Refused,
            (0..65_536_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect(),
        ),
    ]
}

async fn handshakes(scene: Arc<Scene>) -> Result<Found> {
    let mut found = Found::default();
    let until = Instant::now() + scene.length;
    while found.cases.is_empty() || Instant::now() < until {
        for form in forms() {
            let stream = scene.target.tcp().await?;
            // One that is served waits for the next message until its timeout.
            let timeout =
                if form.expected == Expected::Served { Duration::from_millis(300) } else { scene.deadline() };
            let ending = send_and_read(stream, &form.bytes, timeout).await;
            let reply = hello::reply(&ending.received);
            let kept = match form.expected {
                Expected::Served => reply == "handshake goes on",
                Expected::Refused => ending.closed && (reply == "no answer" || reply.starts_with("alert")),
                Expected::Alert(name) => ending.closed && reply == format!("alert {name}"),
            };
            if !kept {
                found.violation(format!("{}: {reply}, {}", form.name, ending.outcome()));
            }
            let outcome = if ending.closed { format!("{reply}, {}", ending.outcome()) } else { reply };
            found.count(if form.expected == Expected::Served { "served" } else { "refused" }.to_owned());
            found.case(form.name, outcome);
        }
    }
    Ok(found)
}

async fn after_the_handshake(scene: Arc<Scene>) -> Result<Found> {
    let mut found = Found::default();
    let until = Instant::now() + scene.length;
    while found.cases.is_empty() || Instant::now() < until {
        let asked = [
            ("renegotiation in TLS 1.2 (openssl)", renegotiate(&scene).await?),
            ("10,000 key updates in TLS 1.3", key_updates(&scene).await?),
        ];
        for (name, (refused, outcome)) in asked {
            if !refused {
                found.violation(format!("{name}: {outcome}"));
            }
            found.count(if refused { "refused" } else { "served" }.to_owned());
            found.case(name, outcome);
        }
    }
    Ok(found)
}

/// A line `R` makes `openssl s_client` ask for another handshake on the same connection.
async fn renegotiate(scene: &Scene) -> Result<(bool, String)> {
    let mut client = Command::new("openssl")
        .args(["s_client", "-tls1_2", "-connect", &scene.target.address.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("openssl is missing")?;
    let mut input = client.stdin.take().context("there is no stdin")?;
    sleep(Duration::from_millis(500)).await;
    input.write_all(b"R\n").await?;
    let output = timeout(scene.deadline(), client.wait_with_output()).await;
    drop(input);
    let Ok(output) = output else { return Ok((false, "the connection went on".to_owned())) };
    let output = output?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let asked = text.contains("RENEGOTIATING") && text.contains("Protocol  : TLSv1.2");
    let refused = asked && text.contains("no renegotiation");
    Ok((refused, if refused { "alert no_renegotiation" } else { "not refused" }.to_owned()))
}

/// Each makes the server derive new keys and answer with an update of its own.
async fn key_updates(scene: &Scene) -> Result<(bool, String)> {
    let mut stream = scene.target.connect().await?;
    for sent in 0..10_000 {
        stream.get_mut().1.refresh_traffic_keys()?;
        if stream.flush().await.is_err() {
            return Ok((true, format!("closed after {sent} at most")));
        }
    }
    let ending = read_to_end(&mut stream, scene.deadline()).await;
    Ok((ending.closed, ending.outcome()))
}
