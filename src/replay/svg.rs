//! The diagram as a picture, in the look of the charts.

use std::fmt::Write;

use plotters::style::RGBColor;

use super::sequence::{End, Row, SequenceDiagram, seconds};
use crate::chart::style::{
    BLUE, FADED, FAULT, GREEN, GRID, INK, PAPER, RULE, SUBTITLE, TEXT, TITLE, VERMILLION, WIDTH, fit,
};
use crate::text::{clean, escaped};

const LEFT: f64 = 20.0;
/// Where the client's line stands, and the last server's.
const FIRST: f64 = 130.0;
const LAST: f64 = WIDTH - 130.0;
const TOP: f64 = 112.0;
/// From one row to the next.
const ROW: f64 = 24.0;
/// How far an arrow falls: it takes time.
const FALL: f64 = 7.0;
/// Between the lines of two hosts at least; more hosts make the picture wider.
const NEAREST: f64 = 250.0;

fn hex(color: RGBColor) -> String {
    format!("#{:02X}{:02X}{:02X}", color.0, color.1, color.2)
}

/// A text, with a rim of paper that keeps it apart from the lines behind it.
fn write(svg: &mut String, (x, y): (f64, f64), size: f64, anchor: &str, color: RGBColor, text: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\" fill=\"{}\" stroke=\"{}\" \
         stroke-width=\"4\" paint-order=\"stroke\">{}</text>",
        hex(color),
        hex(PAPER),
        escaped(&clean(text)),
    );
}

fn line(svg: &mut String, [x1, y1, x2, y2]: [f64; 4], color: RGBColor, width: f64) {
    let _ = writeln!(
        svg,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{}\" stroke-width=\"{width}\"/>",
        hex(color),
    );
}

/// Draws it.
pub fn svg(diagram: &SequenceDiagram) -> String {
    let servers = (diagram.hosts.len() - 1).max(1) as f64;
    let last = LAST.max(FIRST + servers * NEAREST);
    let width = last + 130.0;
    let step = (last - FIRST) / servers;
    let column = |host: usize| FIRST + step * host as f64;
    let height = TOP + ROW * (diagram.rows.len() as f64 + 1.0) + 16.0;
    let name = format!("{} of {}", diagram.session, diagram.run);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\" font-family=\"sans-serif\">\n<title>{}</title>\n<desc>What the session sent and heard, and when; a \
         line for each host, time goes down.</desc>\n<rect width=\"{width}\" height=\"{height}\" fill=\"{}\"/>\n",
        escaped(&clean(&name)),
        hex(PAPER),
    );
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"31\" font-size=\"{TITLE}\" font-weight=\"bold\" fill=\"{}\">{}</text>",
        hex(INK),
        escaped(&fit(&name, TITLE, width - 2.0 * LEFT)),
    );
    let scheduled = seconds(diagram.scheduled.0 as i64);
    let subtitle = format!("{} · seconds since its scheduled start at {scheduled} s", diagram.title);
    write(&mut svg, (LEFT, 54.0), SUBTITLE, "start", FADED, &fit(&subtitle, SUBTITLE, width - 2.0 * LEFT));
    for (host, name) in diagram.hosts.iter().enumerate() {
        write(&mut svg, (column(host), TOP - 16.0), TEXT, "middle", INK, &fit(name, TEXT, step - 20.0));
        line(&mut svg, [column(host), TOP - 8.0, column(host), height - 16.0], RULE, 1.0);
    }
    write(&mut svg, (FIRST - 10.0, TOP - 36.0), TEXT, "end", FADED, "leaves");
    write(&mut svg, (last + 10.0, TOP - 36.0), TEXT, "start", FADED, "arrives");
    for (number, row) in diagram.rows.iter().enumerate() {
        draw(&mut svg, row, TOP + ROW * (number as f64 + 0.5), &column, last);
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw(svg: &mut String, row: &Row, y: f64, column: &impl Fn(usize) -> f64, last: f64) {
    let time = |svg: &mut String, at: i64| write(svg, (FIRST - 10.0, y + 5.0), TEXT, "end", FADED, &seconds(at));
    match row {
        Row::Gap => line(svg, [FIRST, y, last, y], GRID, 1.0),
        Row::More(what) => note(svg, y, FADED, what),
        Row::Note { at, text, fault } => {
            time(svg, *at);
            if *fault {
                line(svg, [FIRST, y + 11.0, last, y + 11.0], FAULT, 1.0);
            }
            note(svg, y, if *fault { FAULT } else { INK }, text);
        }
        Row::Arrow { left, end, from, to, label } => {
            time(svg, *left);
            let (arrives, color) = match end {
                End::At(at) => (seconds(*at), if from < to { BLUE } else { GREEN }),
                End::Lost => ("lost".into(), VERMILLION),
                End::Unanswered => ("no answer".into(), VERMILLION),
                End::UnderWay => ("under way".into(), VERMILLION),
            };
            write(
                svg,
                (last + 10.0, y + 5.0),
                TEXT,
                "start",
                if color == VERMILLION { color } else { FADED },
                &arrives,
            );
            arrow(svg, y, [column(*from), column(*to)], color, label);
        }
    }
}

fn note(svg: &mut String, y: f64, color: RGBColor, text: &str) {
    write(svg, (FIRST + 10.0, y + 5.0), TEXT, "start", color, text);
}

fn arrow(svg: &mut String, y: f64, [from, to]: [f64; 2], color: RGBColor, label: &str) {
    let ahead = if to > from { 1.0 } else { -1.0 };
    let fails = color == VERMILLION;
    let tip = if fails { to - ahead * 40.0 } else { to - ahead };
    let (start, end) = (y + 2.0, y + 2.0 + FALL);
    line(svg, [from, start, tip, end], color, 1.5);
    let _ = writeln!(svg, "<path d=\"M{tip:.1},{end:.1} l{:.1},-4.5 l0,8 z\" fill=\"{}\"/>", -ahead * 9.0, hex(color),);
    if fails {
        let x = tip + ahead * 9.0;
        line(svg, [x - 4.0, end - 4.0, x + 4.0, end + 4.0], color, 2.0);
        line(svg, [x - 4.0, end + 4.0, x + 4.0, end - 4.0], color, 2.0);
    }
    let room = (to - from).abs() - 30.0;
    write(svg, ((from + to) / 2.0, y), TEXT, "middle", INK, &fit(label, TEXT, room));
}
