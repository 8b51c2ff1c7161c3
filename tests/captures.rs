//! Capture files: read by tshark, where it is installed.

use std::io::Write;
use std::process::{Command, Stdio};

use shakedown::explore;
use shakedown::replay::pcapng;
use shakedown::scenario::{Overrides, Scenario};

fn captured(text: &str) -> Vec<u8> {
    let text = format!("format = 1\ntitle = \"A capture\"\n{text}");
    let scenario = Scenario::load("t", "t", &text, &Overrides::default()).unwrap_or_else(|problem| panic!("{problem}"));
    let traces = explore::trace(&scenario, &[(0, 0)]);
    assert_eq!(traces.len(), 1);
    pcapng(&scenario, None, &traces)
}

/// What tshark makes of a capture: a line for each packet with these fields. `None`, and a word about it, where there is
/// no tshark.
fn decoded(capture: &[u8], fields: &[&str]) -> Option<Vec<String>> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(capture).unwrap();
    let mut command = Command::new("tshark");
    command.args(["-n", "-r"]).arg(file.path()).args(["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"]);
    command.args(["-T", "fields", "-E", "separator=|"]);
    for field in fields {
        command.args(["-e", field]);
    }
    // Who may not read the folder of a user's settings complains.
    let output = match command.stderr(Stdio::piped()).output() {
        Ok(output) => output,
        Err(error) => {
            println!("skipped: tshark does not run here ({error})");
            return None;
        }
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_string).collect())
}

/// Nothing is listened to for the first half second, so the SYN is repeated after one. Then a handshake, a ping, a close.
const REPEATED: &str = r#"
    duration = "5s"
    [network]
    one_way = "10ms"
    [servers.gateway]
    service_time = "1ms"
    [clients.players]
    count = 1
    arrive = "at_once"
    path = "/chat"
    endpoints = ["gateway"]
    heartbeat = { every = "500ms", timeout = "200ms" }
    hold = "700ms"
    [faults.dark]
    kind = "partition"
    target = "gateway-0"
    at = "0s"
    for = "500ms"
"#;

#[test]
fn tshark_reads_a_connection_from_its_repeated_syn_to_its_end() {
    let fields = [
        "frame.time_epoch",
        "ip.src",
        "tcp.flags.str",
        "tcp.seq",
        "tcp.ack",
        "tcp.len",
        "tcp.analysis.retransmission",
        "http.request.method",
        "http.response.code",
        "websocket.opcode",
        "frame.comment",
    ];
    let Some(lines) = decoded(&captured(REPEATED), &fields) else { return };
    insta::assert_snapshot!(lines.join("\n"));
}

/// Whatever is in a capture, tshark finds all checksums right, and nothing that is malformed or acknowledged unseen.
#[test]
fn tshark_has_nothing_to_complain_of() {
    let tls = REPEATED.replace("service_time", "tls = \"1.3\"\nservice_time");
    let reset = REPEATED.replace(
        "service_time",
        "behavior = { kind = \"accept\", delivery = { cut = 40, then = \"reset\" } }\nservice_time",
    );
    let refused = REPEATED.replace("kind = \"partition\"", "kind = \"crash\"");
    let lossy = REPEATED.replace("one_way = \"10ms\"", "one_way = \"10ms\"\nloss = \"20%\"").replace("700ms", "4s");
    for text in [REPEATED, &tls, &reset, &refused, &lossy] {
        let fields = [
            "ip.checksum.status",
            "tcp.checksum.status",
            "_ws.malformed",
            "tcp.analysis.ack_lost_segment",
            "tcp.analysis.lost_segment",
            "tcp.flags.str",
        ];
        let Some(lines) = decoded(&captured(text), &fields) else { return };
        assert!(lines.len() >= 2, "{text}");
        for line in &lines {
            assert!(line.starts_with("1|1||||"), "{line} in {lines:#?} of {text}");
        }
    }
}

#[test]
fn tls_is_sealed_and_names_are_in_the_file() {
    let tls = captured(&REPEATED.replace("service_time", "tls = \"1.3\"\nservice_time"));
    let plain = captured(REPEATED);
    let holds = |capture: &[u8], wanted: &[u8]| capture.windows(wanted.len()).any(|bytes| bytes == wanted);
    assert!(holds(&plain, b"GET /chat HTTP/1.1\r\n") && !holds(&tls, b"GET /chat"));
    assert!(holds(&plain, b"\xac\x10\x00\x01players-0\0") && holds(&plain, b"\x0a\x00\x00\x01gateway-0\0"));
    let Some(lines) = decoded(&tls, &["tls.record.content_type", "tls.handshake.type"]) else { return };
    assert!(lines.iter().any(|line| line.starts_with("22|1")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("23")), "{lines:#?}");
}
