//! Capture files: read by tshark, where it is installed.

use std::io::Write;
use std::process::{Command, Stdio};

use shakedown::explore;
use shakedown::replay::pcapng;

fn captured(text: &str) -> Vec<u8> {
    let text = format!("format = 1\ntitle = \"A capture\"\n{text}");
    let scenario = crate::common::loaded(&text);
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

/// Whatever is in a capture, tshark finds all checksums right, and nothing that is malformed, out of order or acknowledged
/// unseen. Only a reset is worth a warning to it.
#[test]
fn tshark_has_nothing_to_complain_of() {
    let server = |keys: &str| REPEATED.replace("service_time", &format!("{keys}\nservice_time"));
    let front = |balance: &str| {
        let front =
            format!("[servers.front]\nkind = \"l4\"\nto = \"gateway\"\nbalance = \"{balance}\"\n[clients.players]");
        REPEATED.replace("[clients.players]", &front).replace("endpoints = [\"gateway\"]", "endpoints = [\"front\"]")
    };
    let lossy = REPEATED.replace("one_way = \"10ms\"", "one_way = \"10ms\"\nloss = \"20%\"").replace("700ms", "4s");
    let reset = server("behavior = { kind = \"accept\", delivery = { cut = 40, then = \"reset\" } }");
    let refused = |text: &str| text.replace("kind = \"partition\"", "kind = \"crash\"");
    let tls = server("tls = \"1.3\"");
    let older = server("tls = \"1.2\"").replace("700ms", "200ms").replace("hold", "retry = { base = \"300ms\" }\nhold");
    let proxy = BY_PROXY.replace("[proxies.corporate]", "[proxies.corporate]\nreject = 403");
    let through_tls = BY_PROXY.replace("service_time", "tls = \"1.3\"\nservice_time");
    let all = [
        REPEATED.to_string(),
        refused(REPEATED),
        refused(&tls),
        refused(&front("nat")),
        refused(&front("terminate")),
        refused(BY_PROXY),
        front("nat"),
        front("terminate"),
        BY_PROXY.to_string(),
        tls,
        older,
        reset,
        lossy,
        proxy,
        through_tls,
    ];
    for text in all {
        let fields = [
            "ip.checksum.status",
            "tcp.checksum.status",
            "_ws.malformed",
            "tcp.analysis.ack_lost_segment",
            "tcp.analysis.lost_segment",
            "tcp.analysis.out_of_order",
            "tcp.flags.reset",
            "_ws.expert.severity",
            "_ws.expert.message",
        ];
        let Some(lines) = decoded(&captured(&text), &fields) else { return };
        assert!(lines.len() >= 2, "{text}");
        for line in &lines {
            assert!(line.starts_with("1|1|||||"), "{line} in {lines:#?} of {text}");
            let fields: Vec<&str> = line.split('|').collect();
            let reset = ["1", "True"].contains(&fields[6]);
            // Chats (0x200000) and notes (0x400000) say what a packet is.
            let grave =
                fields[7].split(',').filter_map(|severity| severity.parse::<u32>().ok()).any(|at| at > 0x40_0000);
            assert!(reset || !grave, "{line} in {lines:#?} of {text}");
        }
    }
}

/// The same by a proxy, which is asked for a tunnel before anything is said to the gateway.
const BY_PROXY: &str = r#"
    duration = "5s"
    [network]
    one_way = "10ms"
    [proxies.corporate]
    [servers.gateway]
    service_time = "1ms"
    [clients.players]
    count = 1
    arrive = "at_once"
    proxy = "corporate"
    path = "/chat"
    endpoints = ["gateway"]
    heartbeat = { every = "500ms", timeout = "200ms" }
    retry = { base = "1s" }
    hold = "700ms"
    [faults.dark]
    kind = "partition"
    target = "gateway-0"
    at = "4s"
    for = "500ms"
"#;

#[test]
fn tshark_reads_what_goes_through_a_tunnel() {
    let fields = ["frame.time_epoch", "tcp.dstport", "http.request.method", "http.response.code", "websocket.opcode"];
    let Some(lines) = decoded(&captured(BY_PROXY), &fields) else { return };
    let said: Vec<&str> = lines.iter().map(String::as_str).filter(|line| !line.ends_with("|||")).collect();
    insta::assert_snapshot!(said.join("\n"));
    // TLS goes through as it is.
    let tls = BY_PROXY.replace("service_time", "tls = \"1.3\"\nservice_time");
    let fields = ["http.request.method", "http.response.code", "tls.handshake.type", "tls.record.opaque_type"];
    let Some(lines) = decoded(&captured(&tls), &fields) else { return };
    let said: Vec<&str> = lines.iter().map(String::as_str).filter(|line| *line != "|||").collect();
    insta::assert_snapshot!(said.join("\n"));
}

/// A connection that is refused is one to the port that would have been spoken to.
#[test]
fn whoever_is_refused_has_knocked_at_the_right_door() {
    let tls = REPEATED.replace("service_time", "tls = \"1.3\"\nservice_time").replace("\"partition\"", "\"crash\"");
    let Some(lines) = decoded(&captured(&tls), &["tcp.flags.str", "tcp.srcport", "tcp.dstport"]) else { return };
    assert!(lines.len() > 4 && lines.iter().all(|line| line.contains("443")), "{lines:#?}");
    assert!(lines[1].contains('R'), "{lines:#?}");
}

#[test]
fn tls_is_sealed_and_names_are_in_the_file() {
    let tls = captured(&REPEATED.replace("service_time", "tls = \"1.3\"\nservice_time"));
    let plain = captured(REPEATED);
    let holds = |capture: &[u8], wanted: &[u8]| capture.windows(wanted.len()).any(|bytes| bytes == wanted);
    assert!(holds(&plain, b"GET /chat HTTP/1.1\r\n") && !holds(&tls, b"GET /chat"));
    assert!(holds(&plain, b"\xac\x10\x00\x01players-0\0") && holds(&plain, b"\x0a\x00\x00\x01gateway-0\0"));
    let Some(lines) = decoded(&tls, &["tls.record.content_type", "tls.handshake.type", "tls.record.opaque_type"])
    else {
        return;
    };
    assert!(lines.iter().any(|line| line.starts_with("22|1")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("23")), "{lines:#?}");
}
