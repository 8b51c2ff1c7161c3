//! `series.csv`: one line per interval, one column per series. Names in it never need quotes.

use std::fmt::Write;

use crate::client::Outcome;
use crate::metrics::{Percentiles, Series};
use crate::time::Nanos;

/// The whole table.
pub(super) fn csv(series: &Series) -> String {
    let mut text = String::from("t_ms,sessions.open,sessions.open_lowest,sessions.wanted,availability");
    let shown = |outcome: &Outcome| series.shows(*outcome);
    for outcome in Outcome::ALL.into_iter().filter(shown) {
        let _ = write!(text, ",attempts.{}", outcome.name());
    }
    for latency in ["time_to_open", "handshake_latency"] {
        for statistic in ["p50", "p90", "p99", "max"] {
            let _ = write!(text, ",{latency}.{statistic}_ms");
        }
        let _ = write!(text, ",{latency}.samples");
    }
    if series.half_open.is_some() {
        text.push_str(",half_open.servers,half_open.clients");
    }
    for server in &series.servers {
        for metric in ["arrivals", "open_connections", "queue_depth", "utilisation"] {
            let _ = write!(text, ",servers.{}.{metric}", server.name);
        }
        if server.old.is_some() {
            let _ = write!(text, ",servers.{0}.old_connections,servers.{0}.old_processes", server.name);
        }
        if server.transactions.is_some() {
            let _ = write!(text, ",servers.{}.transactions_in_use", server.name);
        }
        if !server.open_streams.is_empty() {
            let _ = write!(text, ",servers.{}.open_streams", server.name);
        }
        if !server.kills.is_empty() {
            let _ = write!(text, ",servers.{}.kills", server.name);
        }
        if !server.memory_in_use.is_empty() {
            let _ = write!(text, ",servers.{}.memory_in_use", server.name);
        }
    }
    for (group, _) in &series.balance {
        let _ = write!(text, ",servers.{group}.balance");
    }
    text.push('\n');
    for (row, end) in series.ends.iter().enumerate() {
        let _ = write!(text, "{}", Nanos(end.0).as_millis_f64());
        let _ = write!(text, ",{},{}", series.sessions_open[row], series.sessions_open_lowest[row]);
        let _ = write!(text, ",{}", series.sessions_wanted[row]);
        optional(&mut text, series.availability[row].map(rounded));
        for outcome in Outcome::ALL.into_iter().filter(shown) {
            let _ = write!(text, ",{}", series.outcomes[outcome as usize][row]);
        }
        for latency in [&series.time_to_open, &series.handshake_latency] {
            let statistics: [fn(Percentiles) -> Nanos; 4] = [|p| p.p50, |p| p.p90, |p| p.p99, |p| p.max];
            for statistic in statistics {
                optional(&mut text, latency[row].map(|latency| statistic(latency).as_millis_f64()));
            }
            let _ = write!(text, ",{}", latency[row].map_or(0, |latency| latency.samples));
        }
        if let Some([servers, clients]) = &series.half_open {
            let _ = write!(text, ",{},{}", servers[row], clients[row]);
        }
        for server in &series.servers {
            let _ = write!(text, ",{},{}", server.arrivals[row], server.open_connections[row]);
            let _ = write!(text, ",{},{}", server.queue_depth[row], rounded(server.utilisation[row]));
            if let Some((connections, processes)) = &server.old {
                let _ = write!(text, ",{},{}", connections[row], processes[row]);
            }
            if let Some((_, in_use)) = &server.transactions {
                let _ = write!(text, ",{}", in_use[row]);
            }
            if let Some(streams) = server.open_streams.get(row) {
                let _ = write!(text, ",{streams}");
            }
            if let Some(kills) = server.kills.get(row) {
                let _ = write!(text, ",{kills}");
            }
            if let Some(memory) = server.memory_in_use.get(row) {
                let _ = write!(text, ",{memory}");
            }
        }
        for (_, balance) in &series.balance {
            optional(&mut text, balance[row].map(rounded));
        }
        text.push('\n');
    }
    text
}

/// Six decimals are plenty for a share.
fn rounded(share: f64) -> f64 {
    (share * 1e6).round() / 1e6
}

/// An empty field says that there is no value.
fn optional(text: &mut String, value: Option<f64>) {
    text.push(',');
    if let Some(value) = value {
        let _ = write!(text, "{value}");
    }
}
