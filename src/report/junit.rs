//! What was judged, for CI: JUnit XML for a job's test results, and annotations that GitHub shows beside the file.

use std::fmt::Write;

use crate::text::{clean, quoted};

/// What one command judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Suite {
    /// The scenario, or whatever was looked at.
    pub name: String,
    /// What else a reader wants to know: name and value.
    pub properties: Vec<(String, String)>,
    /// What was judged.
    pub cases: Vec<Case>,
}

/// One thing that was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What.
    pub name: String,
    /// What it came to.
    pub outcome: Outcome,
}

/// What it came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Passed,
    /// Not as it should.
    Failed {
        /// What kind of thing that is.
        kind: &'static str,
        /// In a few words.
        message: String,
        /// All of it.
        text: String,
    },
    /// It could not be judged.
    Skipped(String),
}

impl Outcome {
    /// A failure whose words are all that is to say.
    pub fn failed(kind: &'static str, text: &str) -> Outcome {
        Outcome::Failed { kind, message: text.trim_end().into(), text: text.trim_end().into() }
    }
}

impl Suite {
    /// The document.
    pub fn xml(&self) -> String {
        let escaped = |text: &str| quoted(&clean(text));
        let class = escaped(&self.name);
        let (mut failures, mut skipped) = (0, 0);
        let mut cases = String::new();
        for Case { name, outcome } in &self.cases {
            let _ = write!(cases, "    <testcase classname=\"{class}\" name=\"{}\" time=\"0\"", escaped(name));
            let inner = match outcome {
                Outcome::Passed => {
                    cases.push_str("/>\n");
                    continue;
                }
                Outcome::Failed { kind, message, text } => {
                    failures += 1;
                    let (message, text) = (escaped(message), escaped(text));
                    format!("<failure message=\"{message}\" type=\"{kind}\">{text}</failure>")
                }
                Outcome::Skipped(why) => {
                    skipped += 1;
                    format!("<skipped message=\"{}\"/>", escaped(why))
                }
            };
            let _ = writeln!(cases, ">\n      {inner}\n    </testcase>");
        }
        let mut properties = String::new();
        for (name, value) in &self.properties {
            let _ = writeln!(properties, "      <property name=\"{name}\" value=\"{}\"/>", escaped(value));
        }
        let count = self.cases.len();
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"shakedown\" tests=\"{count}\" \
             failures=\"{failures}\" errors=\"0\" time=\"0\">\n  <testsuite name=\"{class}\" tests=\"{count}\" \
             failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\" time=\"0\">\n    <properties>\n{properties}    \
             </properties>\n{cases}  </testsuite>\n</testsuites>\n"
        )
    }

    /// A line for each failure, which GitHub shows beside the line of the file that it is about: `line` finds that for a case.
    pub fn annotations(&self, file: &str, line: impl Fn(&Case) -> Option<usize>) -> String {
        let mut text = String::new();
        for case in &self.cases {
            let Outcome::Failed { message, .. } = &case.outcome else { continue };
            let line = line(case).map_or(String::new(), |line| format!(",line={line}"));
            let title = format!("{} FAILED", self.name);
            let message =
                if message.starts_with(&case.name) { message.clone() } else { format!("{}: {message}", case.name) };
            let _ =
                writeln!(text, "::error file={}{line},title={}::{}", part(file), part(&title), data(&clean(&message)));
        }
        text
    }
}

/// Text after the second `::`: its line ends, and the sign that escapes them.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The same in a property, which ends with a comma or a colon.
fn part(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suite() -> Suite {
        let case = |name: &str, outcome| Case { name: name.into(), outcome };
        Suite {
            name: "a<b".into(),
            properties: vec![("seed".into(), "7".into())],
            cases: vec![
                case("outage.p99 < 1s", Outcome::failed("expectation", "measured 2.00 s, 100 % more")),
                case("all of it", Outcome::Passed),
                case("another", Outcome::Skipped("no servers".into())),
            ],
        }
    }

    #[test]
    fn each_case_is_counted_and_escaped() {
        let xml = suite().xml();
        assert!(xml.contains("tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\""), "{xml}");
        assert!(
            xml.contains("<testcase classname=\"a&lt;b\" name=\"outage.p99 &lt; 1s\" time=\"0\">\n      <failure"),
            "{xml}"
        );
        assert!(xml.contains("name=\"all of it\" time=\"0\"/>"), "{xml}");
        assert!(xml.contains("<skipped message=\"no servers\"/>"), "{xml}");
    }

    #[test]
    fn failures_are_annotated_where_they_are_written() {
        let text = suite().annotations("a,b.toml", |case| case.name.starts_with("outage").then_some(12));
        let expected =
            "::error file=a%2Cb.toml,line=12,title=a<b FAILED::outage.p99 < 1s: measured 2.00 s, 100 %25 more\n";
        assert_eq!(text, expected);
    }
}
