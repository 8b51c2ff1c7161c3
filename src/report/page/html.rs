//! HTML, escaped, and put together.

use std::fmt::Write;

use serde_json::{Map, Value as Json, json};

use super::cells::Cell;
use crate::scenario::covered_command;
use crate::text::{quoted, with_units};

const CSS: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Texts of a table that are no longer stand on one line.
const NAME: usize = 32;

/// A page that grows.
#[derive(Debug)]
pub(super) struct Page {
    title: String,
    html: String,
    charts: Map<String, Json>,
    /// What charts share.
    data: Map<String, Json>,
    /// Whether the latest element is a chart, so that the next one stands beside it.
    in_charts: bool,
}

/// How a headline verdict looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Bad,
    /// Nothing was asked, or nothing can be said.
    Open,
}

/// The head of a column, and whether it holds text.
pub(super) type Column<'a> = (&'a str, bool);

impl Page {
    /// A page with its headline, and a line below it.
    pub(super) fn new(title: &str, below: &str) -> Page {
        let mut page = Page {
            title: title.to_string(),
            html: String::new(),
            charts: Map::new(),
            data: Map::new(),
            in_charts: false,
        };
        let _ = write!(
            page.html,
            "<header><div><h1>{}</h1><p class=\"faded\">{}</p></div>\
             <button type=\"button\" class=\"theme\">Theme</button></header>\n<main>\n",
            quoted(title),
            quoted(below)
        );
        page
    }

    fn add(&mut self, html: &str) {
        if std::mem::take(&mut self.in_charts) {
            self.html.push_str("</div>\n");
        }
        self.html.push_str(html);
    }

    /// What came out, in a sentence.
    pub(super) fn verdict(&mut self, mood: Tone, text: &str) {
        let class = match mood {
            Tone::Good => "",
            Tone::Bad => " bad",
            Tone::Open => " open",
        };
        self.add(&format!("<p class=\"verdict{class}\">{}</p>\n", quoted(&with_units(text))));
    }

    pub(super) fn heading(&mut self, text: &str) {
        self.add(&format!("<h2>{}</h2>\n", quoted(text)));
    }

    pub(super) fn note(&mut self, text: &str) {
        self.add(&format!("<p class=\"note\">{}</p>\n", quoted(text)));
    }

    /// Names and values.
    pub(super) fn tiles(&mut self, tiles: &[(String, String)]) {
        let tile = |(name, value): &(String, String)| {
            format!("<div><dt>{}</dt><dd>{}</dd></div>", quoted(name), quoted(&with_units(value)))
        };
        let tiles: String = tiles.iter().map(tile).collect();
        self.add(&format!("<dl class=\"tiles\">{tiles}</dl>\n"));
    }

    /// Where the script puts the buttons that zoom all charts over time.
    pub(super) fn zoom(&mut self) {
        self.add("<div class=\"zoom\" role=\"group\" aria-label=\"time shown\">Show</div>\n");
    }

    /// A drawing of our own, as SVG within the page.
    pub(super) fn drawing(&mut self, svg: &str) {
        self.add(&format!(
            "<div class=\"drawing scroll\" tabindex=\"0\" role=\"group\" aria-label=\"topology\">{svg}</div>\n"
        ));
    }

    /// What charts share.
    pub(super) fn share(&mut self, name: &str, value: Json) {
        self.data.insert(name.into(), value);
    }

    fn figure(&mut self, attribute: &str, title: &str, note: &str, inside: &str) {
        if !self.in_charts {
            self.html.push_str("<div class=\"charts\">\n");
            self.in_charts = true;
        }
        let note = if note.is_empty() { String::new() } else { format!("<p>{}</p>", quoted(note)) };
        let _ = writeln!(
            self.html,
            "<figure{attribute}><figcaption><h3>{}</h3>{note}</figcaption>{inside}</figure>",
            quoted(title)
        );
    }

    /// A chart, which the script draws.
    pub(super) fn chart(&mut self, id: &str, title: &str, note: &str, mut chart: Json) {
        chart["title"] = json!(title);
        self.charts.insert(id.into(), chart);
        let without = "<noscript>This chart is drawn by the page's script; the folder has it as SVG.</noscript>";
        self.figure(&format!(" data-chart=\"{}\"", quoted(id)), title, note, without);
    }

    /// A picture that was drawn before. It is of the theme of the page: its own scheme is that of the element that shows it.
    pub(super) fn picture(&mut self, title: &str, note: &str, svg: &[u8]) {
        let svg = dark_too(svg);
        let data = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, svg);
        let image = format!("<img alt=\"{}\" src=\"data:image/svg+xml;base64,{data}\">", quoted(title));
        self.figure("", title, note, &image);
    }

    /// A table that sorts.
    pub(super) fn table(&mut self, name: &str, columns: &[Column<'_>], rows: &[Vec<Cell>]) {
        self.add(&table(name, columns, rows));
    }

    /// The same, behind a line that opens it.
    pub(super) fn folded_table(&mut self, name: &str, columns: &[Column<'_>], rows: &[Vec<Cell>]) {
        let table = table(name, columns, rows);
        self.add(&format!("<details><summary>{}</summary>{table}</details>\n", quoted(name)));
    }

    /// What makes it again: the command line that was kept with it, if one was.
    pub(super) fn again(&mut self, command: Option<&str>) {
        self.heading(if command.is_some() { "Run it again" } else { "What was run" });
        if let Some(command) = command {
            self.command(&covered_command(command));
        }
    }

    /// A command to copy.
    pub(super) fn command(&mut self, command: &str) {
        let html = format!(
            "<div class=\"command\"><pre>{}</pre><button type=\"button\">Copy</button></div>\n",
            quoted(command)
        );
        self.add(&html);
    }

    /// A text as it is, behind a line that opens it.
    pub(super) fn folded_text(&mut self, name: &str, text: &str) {
        let html = format!(
            "<details><summary>{}</summary><pre tabindex=\"0\">{}</pre></details>\n",
            quoted(name),
            quoted(text)
        );
        self.add(&html);
    }

    /// A session's sequence diagram, behind a line that opens it; the first is open.
    pub(super) fn sequence(&mut self, number: usize, session: &str, what: &str) {
        let open = if number == 0 { " open" } else { "" };
        let html = format!(
            "<details data-exemplar=\"{number}\"{open}><summary>{} <span>{}</span></summary>\
             <div class=\"diagram scroll\" tabindex=\"0\" role=\"group\" aria-label=\"sequence diagram of {0}\"></div></details>\n",
            quoted(session),
            quoted(what)
        );
        self.add(&html);
    }

    /// The whole page.
    pub(super) fn finish(mut self) -> String {
        let footer = format!(
            "</main>\n<footer>Written by shakedown {}. This page loads nothing from anywhere; \
             <code>shakedown report FOLDER</code> makes it again from the recorded files.</footer>\n\
             <div id=\"live\" class=\"sr\" aria-live=\"polite\"></div>\n",
            env!("CARGO_PKG_VERSION")
        );
        self.add(&footer);
        self.data.insert("charts".into(), Json::Object(self.charts));
        // Within a script, `</script>` would end it whatever the quotes around it say.
        let data = Json::Object(self.data).to_string().replace('<', "\\u003c");
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src \
             'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n\
             <link rel=\"icon\" href=\"data:,\">\n\
             <title>{}</title>\n<style>\n{CSS}</style>\n</head>\n<body>\n{}\
             <script type=\"application/json\" id=\"data\">{data}</script>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n",
            quoted(&self.title),
            self.html,
        )
    }
}

/// The colours of charts that are drawn as files, and what they are on dark paper: the page's own.
const DARK: [(&str, &str); 16] = [
    ("FFFFFF", "1b1f24"),
    ("222222", "e8e8e8"),
    ("555555", "a8adb4"),
    ("DDDDDD", "3a4048"),
    ("F0F0F0", "262b31"),
    ("888888", "7d848c"),
    ("B86B00", "f0a94a"),
    ("0072B2", "3d7bf0"),
    ("56B4E9", "9fdcff"),
    ("009E73", "16a878"),
    ("E69F00", "ffd166"),
    ("D55E00", "f2612e"),
    ("CC79A7", "d87fc0"),
    ("000000", "f2f2f2"),
    ("6B3E1B", "c08a5a"),
    ("7A8B2E", "a9bd50"),
];

/// An SVG document whose colours change where the one who looks at it prefers a dark scheme.
fn dark_too(svg: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(svg) else { return svg.to_vec() };
    let Some(end) = text.find("<svg").and_then(|begin| Some(begin + text[begin..].find('>')? + 1)) else {
        return svg.to_vec();
    };
    let rules = DARK
        .iter()
        .map(|(light, dark)| format!("[fill=\"#{light}\" i]{{fill:#{dark}}}[stroke=\"#{light}\" i]{{stroke:#{dark}}}"));
    let style = format!("<style>@media (prefers-color-scheme:dark){{{}}}</style>", rules.collect::<String>());
    format!("{}{style}{}", &text[..end], &text[end..]).into_bytes()
}

fn table(name: &str, columns: &[Column<'_>], rows: &[Vec<Cell>]) -> String {
    let mut html = format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"{0}\"><table class=\"data\">\
         <caption class=\"sr\">{0}</caption><thead><tr>",
        quoted(name)
    );
    for (column, is_text) in columns {
        let class = if *is_text { " class=\"text\"" } else { "" };
        let _ = write!(html, "<th scope=\"col\"{class}><button type=\"button\">{}</button></th>", quoted(column));
    }
    html.push_str("</tr></thead><tbody>\n");
    for row in rows {
        html.push_str("<tr>");
        for (cell, (_, is_text)) in row.iter().zip(columns) {
            let mut classes = Vec::new();
            classes.extend(is_text.then_some("text"));
            classes.extend(cell.class);
            // A name breaks at none of its hyphens.
            let is_name = !cell.text.contains(' ') || cell.text.chars().count() <= NAME;
            classes.extend((*is_text && is_name).then_some("whole"));
            let class = if classes.is_empty() { String::new() } else { format!(" class=\"{}\"", classes.join(" ")) };
            let value = cell.value.map_or(String::new(), |value| format!(" data-v=\"{value}\""));
            let _ = write!(html, "<td{class}{value}>{}</td>", quoted(&cell.text));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
    html
}
