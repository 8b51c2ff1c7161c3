//! What stands behind the keys of a profile: the measured cases that show each of them.

/// The table of measurements: a row for each client and case.
const MEASURED: &str = include_str!("measured.csv");

/// How one client took one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measurement {
    /// The client: a profile's name, or one with `-iterator` or `-app` for the library's own way to reconnect.
    pub client: &'static str,
    /// The client's version.
    pub version: &'static str,
    /// What it was answered.
    pub case: &'static str,
    /// `open`, `error` or `pending`.
    pub outcome: &'static str,
    /// Its requests; of a client that tries again for ever `many`, unless it never asked the first server again.
    pub requests: &'static str,
    /// Its connections, likewise.
    pub connections: &'static str,
    /// The authentication scheme in each request, or `-`.
    pub authorization: &'static str,
    /// When it came out, where that took more than two seconds; how long was waited for what was pending.
    pub seconds: &'static str,
    /// Why the simulation does otherwise, if it does.
    pub unlike: &'static str,
}

/// Every measurement, by client and case.
pub fn measurements() -> impl Iterator<Item = Measurement> {
    MEASURED.lines().skip(1).map(|line| {
        // The last column may hold commas, and then stands in quotes.
        let mut columns = line.splitn(9, ',');
        let mut next = || columns.next().unwrap_or_default();
        Measurement {
            client: next(),
            version: next(),
            case: next(),
            outcome: next(),
            requests: next(),
            connections: next(),
            authorization: next(),
            seconds: next(),
            unlike: next().trim_matches('"'),
        }
    })
}

/// How the value of a key is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Cases in the table show it.
    Measured,
    /// It was seen, but no case in the table shows it.
    Observed,
    /// Nothing shows it.
    Assumed,
    /// The profile is no client's.
    Specified,
}

impl Known {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Known::Measured => "measured",
            Known::Observed => "observed",
            Known::Assumed => "assumed",
            Known::Specified => "specified",
        }
    }
}

/// What a client must do for a behavior to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shows {
    Always,
    /// Where it follows redirects.
    Following,
    /// Where it follows ones to another origin, and applications set its header fields.
    FollowingWithFields,
    /// Where a challenge is answered.
    Answering,
    /// Where a second request may go to the same server: after a challenge or a relative redirect.
    AskingTwice,
    /// Where it has a limit within the cases to the number of header fields.
    Counting,
    /// In the library's own way to reconnect.
    Reconnecting,
    /// Never in the table.
    Elsewhere,
}

/// A key of a profile, and the cases that show its value.
#[derive(Debug, Clone, Copy)]
pub struct Behavior {
    /// The key of `[clients.NAME]`.
    pub key: &'static str,
    /// Its value where a profile does not give one, as TOML.
    pub default: &'static str,
    cases: &'static str,
    shows: Shows,
}

/// So many header fields fit in a head of 16 KiB in the cases: of a limit above it only the size is seen.
const FIELDS_TRIED: i64 = 1_020;

/// Every redirect but the chains of 307.
const STATUSES: &str = "300- 301- 302- 303- 304- 305- 306- 307-ws-alt 307-http-alt 307-relative 308-";

/// Behaviors with their cases. A name that ends with a hyphen stands for all that begin so.
const BEHAVIORS: &[Behavior] = &[
    of("redirects", "5", "307-chain- 307-wsabs-chain- 307-httpabs-chain- 307-loop 307-relative", Shows::Always),
    of("follows", "[\"ws\", \"http\", \"relative\"]", "307-ws-alt 307-http-alt 307-relative", Shows::Always),
    of("redirect_statuses", "[301, 302, 303, 307, 308]", STATUSES, Shows::Following),
    of("upgrades_redirected", "true", "307-ws-alt 307-http-alt 307-relative", Shows::Following),
    of("remembers_redirects", "\"none\"", "307-to-closed-port 307-to-503", Shows::Reconnecting),
    of("keep_alive", "true", "307-relative 307-chain- 401-basic-userinfo 401-basic-no-creds", Shows::AskingTwice),
    of("new_key", "\"connection\"", "", Shows::Elsewhere),
    of("repeats_after", "[]", "fin-on-accept rst-after-request blackhole", Shows::Always),
    of("auth", "\"after-challenge\"", "401-", Shows::Always),
    of("auth_schemes", "[\"basic\", \"digest\"]", "401-basic-userinfo 401-digest-userinfo", Shows::Answering),
    of("sets_headers", "true", "307-althost-with-headers 307-rel-with-headers", Shows::Always),
    of("credentials_across_origins", "false", "307-althost-with-headers", Shows::FollowingWithFields),
    of("connect_timeout", "\"10s\"", "blackhole", Shows::Always),
    of("handshake_timeout", "\"10s\"", "silent drip-header", Shows::Always),
    of("open_timeout", "\"none\"", "silent drip-header", Shows::Always),
    of("connect_gate", "false", "", Shows::Elsewhere),
    of("reads.accept_key", "\"fails\"", "101-bad-accept 101-no-accept", Shows::Always),
    of("reads.accept_key_doubled", "\"fails\"", "101-accept-doubled", Shows::Always),
    of("reads.upgrade", "\"fails\"", "101-no-upgrade", Shows::Always),
    of("reads.upgrade_wrong", "\"as upgrade\"", "101-upgrade-wrong", Shows::Always),
    of("reads.upgrade_list", "\"fails\"", "101-upgrade-list", Shows::Always),
    of("reads.upgrade_doubled", "\"opens\"", "101-upgrade-doubled", Shows::Always),
    of("reads.connection", "\"fails\"", "101-no-connection 101-connection-wrong", Shows::Always),
    of("reads.connection_doubled", "\"opens\"", "101-connection-doubled", Shows::Always),
    of("reads.connection_list", "\"opens\"", "101-connection-list 101-connection-close", Shows::Always),
    of("reads.chunked", "\"opens\"", "101-chunked", Shows::Always),
    of("reads.http_1_0", "\"fails\"", "101-http10", Shows::Always),
    of("reads.http_2_0", "\"fails\"", "101-http20", Shows::Always),
    of("reads.bare_lf", "\"opens\"", "101-bare-lf", Shows::Always),
    of("reads.field_space", "\"fails\"", "101-field-space", Shows::Always),
    of("reads.field_no_colon", "\"fails\"", "101-field-no-colon", Shows::Always),
    of("reads.garbage", "\"fails\"", "garbage-then-silence", Shows::Always),
    of("reads.extension", "\"fails\"", "101-unasked-extension", Shows::Always),
    of("reads.subprotocol", "\"fails\"", "101-unasked-subprotocol", Shows::Always),
    of("reads.interim", "\"opens\"", "101-after-102 101-after-103 101-after-199", Shows::Always),
    of("reads.interim_100", "\"as interim\"", "101-after-100 101-after-100-103", Shows::Always),
    of("reads.head", "\"16KiB\"", "101-head- 101-line-", Shows::Always),
    of("reads.fields", "64", "101-fields- 101-hdr-70k-many", Shows::Always),
    of("reads.line", "\"none\"", "101-line- 101-head-", Shows::Always),
    of("reads.too_many_fields", "\"fails\"", "101-fields- 101-hdr-70k-many", Shows::Counting),
    of("reads.body", "false", "200-open-ended-body", Shows::Always),
    of("reads.pieces", "\"none\"", "101-split-1-byte drip-header", Shows::Always),
];

const fn of(key: &'static str, default: &'static str, cases: &'static str, shows: Shows) -> Behavior {
    Behavior { key, default, cases, shows }
}

/// A behavior of a profile: its value, and what shows it.
#[derive(Debug, Clone)]
pub struct Explained {
    /// The key.
    pub behavior: &'static Behavior,
    /// Its value.
    pub value: toml::Value,
    /// Whether the profile gives it, or it is the default.
    pub given: bool,
    /// How it is known.
    pub known: Known,
    /// What shows it.
    pub cases: Vec<Measurement>,
}

impl super::Profile {
    /// Every behavior of the profile with this name, with what is known of it.
    pub fn explain(&self, name: &str) -> Vec<Explained> {
        BEHAVIORS.iter().map(|behavior| self.explain_one(name, behavior)).collect()
    }

    fn explain_one(&self, name: &str, behavior: &'static Behavior) -> Explained {
        let given = self.value(behavior.key);
        let cases: Vec<Measurement> = measurements().filter(|row| behavior.is_shown_by(name, row)).collect();
        let known = match behavior.shows {
            _ if measurements().all(|row| row.client != name) => Known::Specified,
            Shows::Elsewhere if given.is_some() => Known::Observed,
            shows if self.may_show(shows) && !cases.is_empty() => Known::Measured,
            _ => Known::Assumed,
        };
        let default = || toml::from_str::<toml::Table>(&format!("value = {}", behavior.default)).ok()?.remove("value");
        let value = given.cloned().or_else(default).unwrap_or_else(|| toml::Value::String(behavior.default.into()));
        Explained {
            behavior,
            value,
            given: given.is_some(),
            known,
            cases: if known == Known::Measured { cases } else { Vec::new() },
        }
    }

    fn value(&self, key: &str) -> Option<&toml::Value> {
        match key.split_once('.') {
            None => self.keys.get(key),
            Some((table, key)) => self.keys.get(table)?.get(key),
        }
    }

    /// Whether the client does what a behavior needs to show.
    fn may_show(&self, shows: Shows) -> bool {
        let follows = self.value("redirects").and_then(toml::Value::as_integer).is_none_or(|most| most > 0);
        let upgrades = self.value("upgrades_redirected").and_then(toml::Value::as_bool) != Some(false);
        let fields = self.value("sets_headers").and_then(toml::Value::as_bool) != Some(false);
        let auth = self.value("auth").and_then(toml::Value::as_str).unwrap_or("after-challenge");
        let forms = self.value("follows").and_then(toml::Value::as_array);
        let by = |word: &str| follows && forms.is_none_or(|forms| forms.iter().any(|form| form.as_str() == Some(word)));
        let counts =
            self.value("reads.fields").and_then(toml::Value::as_integer).is_none_or(|most| most < FIELDS_TRIED);
        match shows {
            Shows::Always | Shows::Reconnecting => true,
            Shows::Following => follows,
            Shows::FollowingWithFields => by("ws") && upgrades && fields,
            Shows::Answering => auth == "after-challenge",
            Shows::AskingTwice => by("relative") || auth.starts_with("after-"),
            Shows::Counting => counts,
            Shows::Elsewhere => false,
        }
    }
}

impl Behavior {
    fn is_shown_by(&self, name: &str, row: &Measurement) -> bool {
        let own = match self.shows {
            Shows::Reconnecting => row.client.strip_prefix(name).is_some_and(|way| way == "-iterator" || way == "-app"),
            _ => row.client == name,
        };
        own && self.cases.split(' ').any(|case| match case.ends_with('-') {
            true => row.case.starts_with(case),
            false => row.case == case,
        })
    }
}
