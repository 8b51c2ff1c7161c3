//! The diagram as text, at most a hundred columns wide.

use std::fmt::Write;

use super::sequence::{End, Row, SequenceDiagram, seconds};

/// Columns of a line.
const WIDTH: usize = 100;
/// Where the client's line stands: after the time at which something leaves.
const FIRST: usize = 13;
/// What the time of arrival takes.
const TIME: usize = 12;
/// Servers that have a line at the same time; others take the place of the one that has been still for longest.
const SERVERS: usize = 2;
/// Between two lines at most.
const WIDEST: usize = 46;

/// Which host each line is for.
struct Lines {
    gap: usize,
    /// Servers, with the row that named them last.
    servers: Vec<(usize, usize)>,
}

impl Lines {
    fn column(&self, host: usize) -> usize {
        let line = self.servers.iter().position(|(other, _)| *other == host).map_or(0, |line| line + 1);
        FIRST + line * self.gap
    }

    /// Gives a host a line. True if that changes what the lines stand for.
    fn take(&mut self, host: usize, other: usize, row: usize) -> bool {
        if host == 0 {
            return false;
        }
        if let Some(line) = self.servers.iter_mut().find(|(known, _)| *known == host) {
            line.1 = row;
            return false;
        }
        if self.servers.len() < SERVERS {
            self.servers.push((host, row));
        } else if let Some(line) =
            self.servers.iter_mut().filter(|(known, _)| *known != other).min_by_key(|(_, last)| *last)
        {
            *line = (host, row);
        }
        true
    }

    fn ends(&self) -> usize {
        FIRST + self.servers.len() * self.gap
    }

    /// A line of text in which nothing happens.
    fn blank(&self) -> Vec<char> {
        let mut line = vec![' '; WIDTH];
        for number in 0..=self.servers.len() {
            line[FIRST + number * self.gap] = '|';
        }
        line
    }

    /// Their hosts' names, each with its middle above its line.
    fn names(&self, hosts: &[String]) -> String {
        let mut line = vec![' '; WIDTH];
        let all = std::iter::once(0).chain(self.servers.iter().map(|(host, _)| *host));
        for host in all {
            let name = fit(&hosts[host], self.gap.min(40) - 4);
            let length = name.chars().count();
            let from = self.column(host).saturating_sub(length / 2).min(WIDTH - length);
            put(&mut line, from, &name);
        }
        said(&line)
    }
}

fn put(line: &mut [char], from: usize, text: &str) {
    for (place, c) in line.iter_mut().skip(from).zip(text.chars()) {
        *place = c;
    }
}

fn said(line: &[char]) -> String {
    let text: String = line.iter().collect();
    text.trim_end().to_string()
}

fn fit(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_string();
    }
    let kept: String = text.chars().take(room.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// Draws it.
pub fn text(diagram: &SequenceDiagram) -> String {
    let servers = (diagram.hosts.len() - 1).clamp(1, SERVERS);
    let gap = ((WIDTH - FIRST - TIME - 1) / servers).min(WIDEST);
    let mut lines = Lines { gap, servers: Vec::new() };
    // Those that the first rows name have their lines from the beginning.
    for host in 1..=servers.min(diagram.hosts.len() - 1) {
        lines.take(host, 0, 0);
    }
    let mut text = format!("{} of {}\n{}\n", diagram.session, diagram.run, diagram.title);
    let _ = writeln!(text, "scheduled at {} s; times are seconds since then\n", seconds(diagram.scheduled.0 as i64));
    let _ = writeln!(text, "{}", lines.names(&diagram.hosts));
    let mut head = lines.blank();
    put(&mut head, 5, "leaves");
    put(&mut head, lines.ends() + 5, "arrives");
    let _ = writeln!(text, "{}", said(&head));
    for (number, row) in (1..).zip(&diagram.rows) {
        if let Row::Arrow { from, to, .. } = row {
            let changed = [lines.take(*from, *to, number), lines.take(*to, *from, number)];
            if changed.contains(&true) {
                let _ = writeln!(text, "\n{}", lines.names(&diagram.hosts));
            }
        }
        let _ = writeln!(text, "{}", draw(&lines, row));
    }
    text
}

fn draw(lines: &Lines, row: &Row) -> String {
    let mut line = lines.blank();
    match row {
        Row::Gap => {}
        Row::More(what) => put(&mut line, FIRST + 2, &format!("{what} ")),
        Row::Note { at, text, fault } => {
            put(&mut line, 0, &format!("{:>11}", seconds(*at)));
            let text = if *fault { format!("### {text} ### ") } else { format!("{text} ") };
            put(&mut line, FIRST + 2, &fit(&text, WIDTH - FIRST - 2));
        }
        Row::Arrow { left, end, from, to, label } => {
            put(&mut line, 0, &format!("{:>11}", seconds(*left)));
            let [a, b] = [lines.column(*from), lines.column(*to)];
            let (low, room) = (a.min(b) + 1, a.abs_diff(b).saturating_sub(1));
            put(&mut line, low, &arrow(room, label, b > a, *end));
            let arrives = match end {
                End::At(at) => format!("{:>11}", seconds(*at)),
                End::Lost => "       lost".into(),
                End::Unanswered => "  no answer".into(),
                End::UnderWay => "  under way".into(),
            };
            put(&mut line, lines.ends() + 1, &arrives);
        }
    }
    said(&line)
}

/// `---- GET / HTTP/1.1 --->`, or the other way; what does not arrive ends before its aim, with a cross if it never will.
fn arrow(room: usize, label: &str, rightward: bool, end: End) -> String {
    let (short, cross) = match end {
        End::At(_) => (0, ""),
        End::Lost | End::Unanswered => (4, "x"),
        End::UnderWay => (4, ""),
    };
    let shaft = room.saturating_sub(short + 1 + cross.len());
    let label = format!(" {} ", fit(label, shaft.saturating_sub(4)));
    let before = shaft.saturating_sub(label.chars().count()) / 2;
    let after = shaft.saturating_sub(label.chars().count() + before);
    let dashes = |count: usize| "-".repeat(count);
    let space = " ".repeat(short);
    match rightward {
        true => format!("{}{label}{}>{cross}{space}", dashes(before), dashes(after)),
        false => format!("{space}{cross}<{}{label}{}", dashes(after), dashes(before)),
    }
}
