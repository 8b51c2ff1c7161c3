//! What users see, and what overrides do, told through a small stand-in for a scenario.

use std::collections::BTreeMap;
use std::fmt;

use proptest::prelude::*;
use serde::de::{self, Deserializer, Unexpected, Visitor};
use serde::{Deserialize, de::IgnoredAny};

use super::*;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Small {
    #[serde(default)]
    name: String,
    #[serde(default)]
    clients: BTreeMap<Group, Clients>,
    #[serde(default)]
    steps: Vec<Step>,
    window: Option<(Duration, Duration)>,
    ratio: Option<f64>,
    seed: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Group(String);

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Clients {
    count: u32,
    #[serde(default)]
    sticky: bool,
    hold: Option<Duration>,
    #[serde(default)]
    retry: Retry,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Retry {
    policy: Policy,
    arrive: Arrive,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Policy {
    #[default]
    None,
    FullJitter,
    Exponential,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Arrive {
    #[default]
    AtOnce,
    EvenlyOver(Duration),
    InWaves {
        size: u32,
        #[serde(default)]
        pause: Option<Duration>,
    },
    Between(u32, u32),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    at: Duration,
}

/// Milliseconds, written as `"20ms"`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Duration(u64);

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Duration;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration with its unit, such as \"20ms\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
                let Some(number) = text.strip_suffix("ms") else {
                    return Err(E::invalid_value(Unexpected::Str(text), &self));
                };
                let number = number.parse().map_err(E::custom)?;
                if number > 1000 {
                    return Err(E::custom("no duration may exceed a second"));
                }
                Ok(Duration(number))
            }
        }
        deserializer.deserialize_str(Reader)
    }
}

const FILE: &str = r#"name = "small"

[clients.players]
count = 5
retry.policy = "full-jitter"

[clients.watchers]
count = 1
hold = "20ms"

[[steps]]
at = "1ms"
[[steps]]
at = "2ms"

[variants.loud]
"clients.players.retry.policy" = "exponential"
clients.players.retry.arrive = { evenly_over = "9ms" }

[variants.loud.clients.watchers]
count = 100

[variants.broken]
"clients.players.cuont" = 3

[variants.a]
"steps.2.at" = "3ms"
"#;

fn parse(text: &str) -> Tree {
    Tree::parse("x.toml", text).unwrap_or_else(|problem| panic!("{problem}"))
}

/// The tree of `FILE` with `arguments` applied.
fn tree(arguments: &[&str]) -> Tree {
    let mut tree = parse(FILE);
    for argument in arguments {
        tree.set(argument).unwrap_or_else(|problem| panic!("{problem}"));
    }
    tree
}

fn read(tree: &Tree) -> Result<Small, Problem> {
    let mut tree = tree.clone();
    tree.remove("variants");
    tree.deserialize()
}

fn small(tree: &Tree) -> Small {
    read(tree).unwrap_or_else(|problem| panic!("{problem}"))
}

/// The rendered problem of the document `text`, wherever it arises.
fn shown_for(text: &str) -> String {
    let read = Tree::parse("x.toml", text).and_then(|tree| tree.deserialize::<Small>());
    read.unwrap_err().to_string()
}

/// Statement and help of the problem of `text`.
fn said(text: &str) -> String {
    said_of(Tree::parse("x.toml", text).and_then(|tree| tree.deserialize::<Small>()))
}

fn said_of<T: fmt::Debug>(result: Result<T, Problem>) -> String {
    let problem = result.unwrap_err();
    match problem.help() {
        Some(help) => format!("{} | {help}", problem.message()),
        None => problem.message().to_owned(),
    }
}

fn group(tree: &Tree, name: &str) -> Clients {
    small(tree).clients[&Group(name.to_owned())].clone()
}

#[test]
fn a_file_reads_into_types() {
    let tree = tree(&[]);
    let players = Clients {
        count: 5,
        sticky: false,
        hold: None,
        retry: Retry { policy: Policy::FullJitter, arrive: Arrive::AtOnce },
    };
    assert_eq!(group(&tree, "players"), players);
    assert_eq!(group(&tree, "watchers").hold, Some(Duration(20)));
    let at = |millis| Step { at: Duration(millis) };
    assert_eq!(small(&tree).steps, [at(1), at(2)]);
}

#[test]
fn every_kind_of_choice_reads() {
    let arrive = |written: &str| {
        let text = format!("[clients.p]\ncount = 1\nretry.arrive = {written}");
        group(&parse(&text), "p").retry.arrive
    };
    assert_eq!(arrive("'at_once'"), Arrive::AtOnce);
    assert_eq!(arrive("{ evenly_over = '5ms' }"), Arrive::EvenlyOver(Duration(5)));
    assert_eq!(arrive("{ between = [1, 2] }"), Arrive::Between(1, 2));
    let waves = Arrive::InWaves { size: 3, pause: Some(Duration(1)) };
    assert_eq!(arrive("{ in_waves = { size = 3, pause = '1ms' } }"), waves);
}

#[test]
fn an_unknown_key_is_underlined_and_its_neighbour_named() {
    assert_eq!(
        shown_for("[clients.players]\ncount = 5\nretyr = 1\n"),
        "\
error: unknown key `retyr` in [clients.players]
 --> x.toml:3:1
  |
3 | retyr = 1
  | ^^^^^
  |
  = help: the nearest known key is `retry`"
    );
    assert_eq!(
        said("[clients.p]\ncount = 1\ncolour = 'red'"),
        "unknown key `colour` in [clients.p] | \
         known keys here: `count`, `sticky`, `hold`, `retry`"
    );
    assert_eq!(said("nam = 'x'"), "unknown key `nam` at the top level | the nearest known key is `name`");
}

#[test]
fn a_missing_key_is_placed_at_its_table() {
    assert_eq!(
        shown_for("[clients.players]\nsticky = true\n"),
        "\
error: missing key `count` in [clients.players]
 --> x.toml:1:1
  |
1 | [clients.players]
  | ^^^^^^^^^^^^^^^^^"
    );
    assert_eq!(
        shown_for("[[steps]]\nat = '1ms'\n[[steps]]\n"),
        "\
error: missing key `at` in [steps.1]
 --> x.toml:3:1
  |
3 | [[steps]]
  | ^^^^^^^^^"
    );
    assert_eq!(
        shown_for("clients.p = { sticky = true }"),
        "\
error: missing key `count` in [clients.p]
 --> x.toml:1:13
  |
1 | clients.p = { sticky = true }
  |             ^^^^^^^^^^^^^^^^^"
    );
    #[derive(Debug, Deserialize)]
    struct Named {
        #[expect(dead_code, reason = "it is missing")]
        name: String,
    }
    let problem = parse("a = 1").deserialize::<Named>().unwrap_err();
    assert_eq!(problem.to_string(), "error: missing key `name` at the top level\n--> x.toml");
}

#[test]
fn a_wrong_type_is_underlined() {
    assert_eq!(
        shown_for("[clients.players]\ncount = \"many\"\n"),
        "\
error: `clients.players.count` must be a whole number, found the string \"many\"
 --> x.toml:2:9
  |
2 | count = \"many\"
  |         ^^^^^^"
    );
}

#[test]
fn values_that_do_not_fit_are_described_in_plain_words() {
    let count = |written: &str| said(&format!("[clients.p]\ncount = {written}"));
    assert_eq!(count("-1"), "`clients.p.count` must be a whole number from 0 to 4294967295, found the number -1");
    assert_eq!(
        count("4294967296"),
        "`clients.p.count` must be a whole number from 0 to 4294967295, \
         found the number 4294967296"
    );
    assert_eq!(count("2.0"), "`clients.p.count` must be a whole number, found the number 2.0");
    assert_eq!(count("1979-05-27"), "`clients.p.count` must be a whole number, found the date or time 1979-05-27");
    assert_eq!(
        said("seed = 18446744073709551615"),
        "`seed` must be a whole number from -9223372036854775808 to 9223372036854775807, \
         found the number 18446744073709551615"
    );
    assert_eq!(said("name = 07:32:00"), "`name` must be a string, found the date or time 07:32:00");
    assert_eq!(said("name = 5"), "`name` must be a string, found the number 5");
    assert_eq!(said("name = -5"), "`name` must be a string, found the number -5");
    assert_eq!(said("ratio = true"), "`ratio` must be a number, found true");
    assert_eq!(said("steps = 'x'"), "`steps` must be a list, found the string \"x\"");
    assert_eq!(said("steps = [1]"), "`steps.0` must be a table, found the number 1");
    assert_eq!(said("clients = []"), "`clients` must be a table, found a list");
    assert_eq!(
        said("clients.p = { count = 1, sticky = 'no' }"),
        "`clients.p.sticky` must be true or false, found the string \"no\""
    );
    assert_eq!(said("window = []"), "`window` must be a list of 2, found a list of 0");
    assert_eq!(
        said("clients.\"a.b\\n\".count = ''"),
        "`clients.\"a.b\\u000A\".count` must be a whole number, found the string \"\""
    );
}

#[test]
fn a_whole_number_serves_as_a_number() {
    assert_eq!(small(&parse("ratio = 2")).ratio, Some(2.0));
    assert_eq!(small(&parse("ratio = 0.5")).ratio, Some(0.5));
    assert_eq!(small(&parse("seed = 0xff")).seed, Some(255));
}

#[test]
fn what_a_visitor_says_comes_out_as_a_sentence() {
    assert_eq!(
        shown_for("[[steps]]\nat = \"20\"\n"),
        "\
error: `steps.0.at` must be a duration with its unit, such as \"20ms\", found the string \"20\"
 --> x.toml:2:6
  |
2 | at = \"20\"
  |      ^^^^"
    );
    assert_eq!(
        said("window = ['1ms', 20]"),
        "`window.1` must be a duration with its unit, such as \"20ms\", found the number 20"
    );
    assert_eq!(
        shown_for("window = [\n  '1ms',\n  '2000ms'\n]"),
        "\
error: `window.1`: no duration may exceed a second
 --> x.toml:3:3
  |
3 |   '2000ms'
  |   ^^^^^^^^"
    );
}

#[test]
fn an_unknown_choice_is_underlined() {
    assert_eq!(
        shown_for("clients.p = { count = 1, retry.policy = \"fulljitter\" }"),
        "\
error: unknown value `fulljitter` for `clients.p.retry.policy`
 --> x.toml:1:41
  |
1 | clients.p = { count = 1, retry.policy = \"fulljitter\" }
  |                                         ^^^^^^^^^^^^
  |
  = help: did you mean `full-jitter`?"
    );
    let retry = |written: &str| said(&format!("[clients.p]\ncount = 1\nretry.{written}"));
    assert_eq!(
        retry("policy = 'x'"),
        "unknown value `x` for `clients.p.retry.policy` | \
         one of `none`, `full-jitter`, `exponential`"
    );
    assert_eq!(
        retry("policy = 5"),
        "`clients.p.retry.policy` must be one of `none`, `full-jitter`, `exponential`, \
         found the number 5"
    );
    assert_eq!(
        retry("arrive = { evenly_ovr = '5ms' }"),
        "unknown key `evenly_ovr` in [clients.p.retry.arrive] | \
         the nearest known key is `evenly_over`"
    );
    assert_eq!(
        retry("arrive = 'evenly_over'"),
        "`evenly_over` in `clients.p.retry.arrive` needs a value | write { evenly_over = ... }"
    );
    assert_eq!(
        retry("arrive = { at_once = 1 }"),
        "`at_once` in `clients.p.retry.arrive` takes no value | \
         write \"at_once\" in place of the table"
    );
    assert_eq!(
        retry("arrive = { in_waves = { siez = 3 } }"),
        "unknown key `siez` in [clients.p.retry.arrive.in_waves] | the nearest known key is `size`"
    );
    assert_eq!(
        retry("arrive = { in_waves = 3 }"),
        "`clients.p.retry.arrive.in_waves` must be a table, found the number 3"
    );
    assert_eq!(
        retry("arrive = { evenly_over = '5' }"),
        "`clients.p.retry.arrive.evenly_over` must be a duration with its unit, \
         such as \"20ms\", found the string \"5\""
    );
}

#[test]
fn a_choice_needs_exactly_one_entry() {
    assert_eq!(
        shown_for("[clients.p]\ncount = 1\nretry.arrive = { at_once = 1, between = [1, 2] }"),
        "\
error: exactly one of `at_once`, `evenly_over`, `in_waves`, `between` expected in \
[clients.p.retry.arrive], found 2: `at_once`, `between`
 --> x.toml:3:16
  |
3 | retry.arrive = { at_once = 1, between = [1, 2] }
  |                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"
    );
    assert!(said("clients.p.retry.arrive = {}").ends_with("found none"));
}

#[test]
fn toml_errors_keep_their_place() {
    assert_eq!(
        shown_for("name = 'a'\r\nname = 'b'\r\n"),
        "\
error: not valid TOML: duplicate key
 --> x.toml:2:1
  |
2 | name = 'b'
  | ^^^^"
    );
    assert_eq!(
        shown_for("\u{feff}name = hello"),
        "\
error: not valid TOML: string values must be quoted, expected literal string
 --> x.toml:1:8
  |
1 | name = hello
  |        ^^^^^"
    );
    assert_eq!(
        said("seed = 18446744073709551616"),
        "the whole number is too large to be read | \
         whole numbers go from -9223372036854775808 to 18446744073709551615"
    );
    assert_eq!(said("ratio = 1e400"), "the number is too large to be read | numbers go up to 1.7976931348623157e308");
}

#[test]
fn set_replaces_creates_and_indexes() {
    let tree = tree(&[
        "clients.players.count=7",
        "clients.players.hold = 3ms",
        "clients.new.count=1",
        "clients.new.retry.arrive={ between = [1, 2] }",
        "clients.new.retry.arrive.between.1=9",
        "steps.1.at='5ms'",
        "name=it's = new",
        "clients.\"a.b\".count=2",
    ]);
    assert_eq!(group(&tree, "players").count, 7);
    assert_eq!(group(&tree, "players").hold, Some(Duration(3)));
    assert_eq!(group(&tree, "new").retry.arrive, Arrive::Between(1, 9));
    assert_eq!(group(&tree, "a.b").count, 2);
    assert_eq!(small(&tree).steps[1].at, Duration(5));
    assert_eq!(small(&tree).name, "it's = new");
}

#[test]
fn set_puts_a_table_in_place_of_a_scalar() {
    let tree = tree(&["clients.players.retry.arrive=at_once", "clients.players.retry.arrive.evenly_over=5ms"]);
    let arrive = group(&tree, "players").retry.arrive;
    assert_eq!(arrive, Arrive::EvenlyOver(Duration(5)));
}

#[test]
fn values_from_set_are_shown_in_their_argument() {
    assert_eq!(
        read(&tree(&["clients.players.cuont=5"])).unwrap_err().to_string(),
        "\
error: unknown key `cuont` in [clients.players]
--> --set clients.players.cuont=5
 |
 | clients.players.cuont=5
 |                 ^^^^^
 |
 = help: the nearest known key is `count`"
    );
    assert_eq!(
        read(&tree(&["clients.players.count= many"])).unwrap_err().to_string(),
        "\
error: `clients.players.count` must be a whole number, found the string \"many\"
--> --set clients.players.count= many
 |
 | clients.players.count= many
 |                        ^^^^"
    );
    assert_eq!(
        read(&tree(&["clients.new.sticky=true"])).unwrap_err().to_string(),
        "\
error: missing key `count` in [clients.new]
--> --set clients.new.sticky=true
 |
 | clients.new.sticky=true
 |         ^^^
 |
 = help: nothing else writes [clients.new]: is its name right?"
    );
    assert_eq!(
        read(&tree(&["steps=[{ at = '1ms' }, { size = 1 }]"])).unwrap_err().to_string(),
        "\
error: unknown key `size` in [steps.1]
--> --set steps=[{ at = '1ms' }, { size = 1 }]
 |
 | steps=[{ at = '1ms' }, { size = 1 }]
 |                          ^^^^
 |
 = help: known keys here: `at`"
    );
}

#[test]
fn a_wrong_set_names_its_argument_and_changes_nothing() {
    let mut tree = tree(&[]);
    let before = format!("{tree:?}");
    let mut refused = |argument: &str| tree.set(argument).unwrap_err();
    assert_eq!(
        refused("clients.players.count").to_string(),
        "\
error: no `=` between path and value
--> --set clients.players.count
 |
 | clients.players.count
 | ^^^^^^^^^^^^^^^^^^^^^
 |
 = help: write it as `--set PATH=VALUE`"
    );
    assert_eq!(
        refused("=5").to_string(),
        "\
error: a part of the path is empty
--> --set =5
 |
 | =5
 | ^
 |
 = help: write it as `--set PATH=VALUE`"
    );
    assert_eq!(
        refused("steps.2.at=5ms").to_string(),
        "\
error: the list has no entry `2`
--> --set steps.2.at=5ms
 |
 | steps.2.at=5ms
 |       ^
 |
 = help: its entries are `0` to `1`"
    );
    assert_eq!(refused("steps.at=5ms").message(), "the list has no entry `at`");
    assert_eq!(refused("steps.+1=5ms").message(), "the list has no entry `+1`");
    assert_eq!(refused("").message(), "a part of the path is empty");
    assert_eq!(refused("name=1e999").message(), "the number is too large to be read");
    assert_eq!(format!("{tree:?}"), before);
}

#[test]
fn a_variant_sets_its_leaves() {
    let mut tree = tree(&[]);
    assert_eq!(tree.variants(), ["loud", "broken", "a"]);
    tree.apply_variant("loud").unwrap();
    let players = group(&tree, "players");
    assert_eq!(players.retry.policy, Policy::Exponential);
    assert_eq!(players.retry.arrive, Arrive::EvenlyOver(Duration(9)));
    assert_eq!(players.count, 5);
    let watchers = group(&tree, "watchers");
    assert_eq!((watchers.count, watchers.hold), (100, Some(Duration(20))));
}

#[test]
fn values_of_a_variant_keep_their_place() {
    let mut tree = tree(&[]);
    tree.apply_variant("broken").unwrap();
    assert_eq!(
        read(&tree).unwrap_err().to_string(),
        "  --> x.toml:24:1
   |
24 | \"clients.players.cuont\" = 3
   | ^^^^^^^^^^^^^^^^^^^^^^^
   |
   = note: with the variant `broken` applied
   = help: the nearest known key is `count`"
            .replace("  -->", "error: unknown key `cuont` in [clients.players]\n  -->")
    );
}

#[test]
fn a_wrong_variant_says_why() {
    let refused = |text: &str, name: &str| said_of(parse(text).apply_variant(name));
    assert_eq!(
        parse(FILE).apply_variant("lout").unwrap_err().to_string(),
        "\
error: unknown variant `lout`
--> x.toml
 = help: the nearest known variant is `loud`; known variants: `loud`, `broken`, `a`"
    );
    assert_eq!(refused(FILE, "quiet"), "unknown variant `quiet` | known variants: `loud`, `broken`, `a`");
    assert_eq!(refused("", "quiet"), "unknown variant `quiet` | this file has no variants");
    assert_eq!(refused(FILE, "a"), "the list has no entry `2` | its entries are `0` to `1`");
    assert_eq!(refused("variants.a = 5", "a"), "`variants.a` must be a table of paths and values, found the number 5");
    assert_eq!(refused("[variants.a]\n'b..c' = 5", "a"), "`b..c` is not a path: a part of the path is empty");
    assert_eq!(refused("[variants.a]\n'b.c=d' = 5", "a"), "a path can hold `=` only within quotes");
}

#[test]
fn a_problem_found_later_is_placed_at_its_value_or_the_nearest_parent() {
    let tree = tree(&["clients.players.count=7"]);
    let place = |path: &str| {
        let shown = tree.problem(path, "x").to_string();
        shown.lines().nth(1).unwrap().trim().to_owned()
    };
    assert_eq!(place("steps.1.at"), "--> x.toml:14:6");
    assert_eq!(place("clients.watchers.hold"), "--> x.toml:9:8");
    assert_eq!(place("clients.watchers.retry.policy"), "--> x.toml:7:1");
    assert_eq!(place("clients.players.count"), "--> --set clients.players.count=7");
    assert_eq!(place("clients.\"players\".retry"), "--> x.toml:5:1");
    assert_eq!(place("steps.7.at"), "--> x.toml:11:1");
    assert_eq!(place("nowhere"), "--> x.toml");
    assert_eq!(place(""), "--> x.toml");
    assert_eq!(place("..'"), "--> x.toml");
    assert_eq!(
        tree.problem("name", "too short").with_help("at least nine letters").to_string(),
        "\
error: too short
 --> x.toml:1:8
  |
1 | name = \"small\"
  |        ^^^^^^^
  |
  = help: at least nine letters"
    );
}

#[test]
fn types_serde_buffers_still_get_a_place() {
    #[derive(Debug, Deserialize)]
    #[serde(tag = "kind", deny_unknown_fields)]
    enum Tagged {
        #[serde(rename = "a")]
        A {
            #[expect(dead_code, reason = "only its key matters")]
            size: u32,
        },
    }
    let read = |text: &str| {
        let tree = parse(text);
        tree.deserialize::<BTreeMap<String, Tagged>>().unwrap_err().to_string()
    };
    assert!(read("x = { kind = 'a', siez = 1 }").contains("x.toml:1:19\n"));
    assert!(read("x = { kind = 'a' }").starts_with("error: missing key `size` in [x]\n"));
}

#[test]
fn a_key_that_does_not_fit_is_underlined() {
    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
    #[serde(try_from = "String")]
    struct Short(String);
    impl TryFrom<String> for Short {
        type Error = &'static str;
        fn try_from(name: String) -> Result<Short, &'static str> {
            let short = name.len() < 4;
            short.then_some(Short(name)).ok_or("a name has at most three letters")
        }
    }
    let tree = parse("[x]\nabc = 1\nabcd = 2");
    let read = tree.deserialize::<BTreeMap<String, BTreeMap<Short, u8>>>();
    assert_eq!(
        read.unwrap_err().to_string(),
        "\
error: the key `abcd` in [x]: a name has at most three letters
 --> x.toml:3:1
  |
3 | abcd = 2
  | ^^^^"
    );
    let read = parse("[x]\nexponental = 1").deserialize::<BTreeMap<String, Retries>>();
    assert_eq!(said_of(read), "unknown key `exponental` in [x] | the nearest known key is `exponential`");

    type Retries = BTreeMap<OrderedPolicy, u8>;
    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum OrderedPolicy {
        Exponential,
        Linear,
    }
}

#[test]
fn nothing_goes_unread() {
    /// Stops after the first entry of whatever it is given.
    #[derive(Debug)]
    struct First;
    impl<'de> Deserialize<'de> for First {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<First, D::Error> {
            struct Reader;
            impl<'de> Visitor<'de> for Reader {
                type Value = First;
                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("entries")
                }
                fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<First, A::Error> {
                    list.next_element::<u8>()?;
                    Ok(First)
                }
                fn visit_map<A: de::MapAccess<'de>>(self, mut table: A) -> Result<First, A::Error> {
                    table.next_entry::<String, u8>()?;
                    Ok(First)
                }
            }
            deserializer.deserialize_any(Reader)
        }
    }
    let read = |text: &str| said_of(parse(text).deserialize::<BTreeMap<String, First>>());
    assert_eq!(read("x = [1, 2]"), "`x` must be a list of 1, found a list of 2");
    assert_eq!(read("x = { b = 1, a = 2 }"), "exactly one key expected in [x], found 2: `b`, `a`");
    assert_eq!(read("x = 1.5"), "`x` must be entries, found the number 1.5");
}

#[test]
fn depth_is_bounded() {
    let dotted = |parts: usize| vec!["a"; parts].join(".");
    let nested = |levels: usize| format!("x = {}{}", "[".repeat(levels), "]".repeat(levels));
    let too_deep = "values nest more than 64 levels deep";
    assert!(parse(&nested(63)).deserialize::<IgnoredAny>().is_ok());
    assert_eq!(said(&nested(64)), too_deep);
    assert!(said(&nested(1_000_000)).starts_with("not valid TOML"));
    // Dotted keys in inline tables are what the parser itself bounds least.
    let knot = format!("{}={{", dotted(79)).repeat(78) + "x=1" + &"}".repeat(78);
    assert_eq!(said(&knot), too_deep);
    assert_eq!(said(&format!("{knot}\n{knot}")), "not valid TOML: duplicate key");

    let mut tree = parse("");
    let set = |tree: &mut Tree, argument: String| tree.set(&argument).map(|()| "set".to_owned());
    assert!(set(&mut tree, format!("{}=1", dotted(64))).is_ok());
    assert_eq!(said_of(set(&mut tree, format!("{}=1", dotted(65)))), too_deep);
    assert_eq!(said_of(set(&mut tree, format!("{}=[1]", dotted(64)))), too_deep);
    assert_eq!(said_of(set(&mut tree, format!("a={{{knot}}}"))), too_deep);
    assert_eq!(said_of(set(&mut tree, format!("{}=1", dotted(1_000_000)))), too_deep);
    assert!(set(&mut tree, format!("a={}", "[".repeat(100_000))).is_ok());
}

#[test]
fn a_large_table_reads_in_one_go() {
    let text: String = (0..100_000).map(|i| format!("k{i} = {i}\n")).collect();
    let read: BTreeMap<String, u64> = parse(&text).deserialize().unwrap();
    assert_eq!(read.len(), 100_000);
}

/// Text that is likely to be almost a scenario.
fn near_toml() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "name",
        "clients",
        "steps",
        "count",
        "retry",
        "arrive",
        "at",
        "in_waves",
        "between",
        ".",
        " = ",
        "=",
        "{",
        "}",
        "[",
        "]",
        "\n",
        "[[",
        "]]",
        "\"",
        "'",
        ",",
        "5",
        "-1",
        "\"5ms\"",
        "'at_once'",
        "1e999",
        "true",
        "1979-05-27",
        "#",
        "\r\n",
        "\t",
        "é",
        "0",
        "\u{feff}",
    ]);
    prop::collection::vec(parts, 0..24).prop_map(|parts| parts.concat())
}

fn exercise(text: &str, argument: &str, path: &str) {
    let mut tree = match Tree::parse("x.toml", text) {
        Ok(tree) => tree,
        Err(problem) => {
            let _ = problem.to_string();
            parse(FILE)
        }
    };
    for result in [
        tree.set(argument),
        tree.apply_variant(path),
        tree.deserialize::<Small>().map(drop),
        Err(tree.problem(path, argument).with_help(text)),
    ] {
        if let Err(problem) = result {
            let _ = problem.to_string();
        }
    }
}

proptest! {
    #[test]
    fn nothing_panics_on_any_text(
        text in any::<String>(),
        argument in any::<String>(),
        path in any::<String>(),
    ) {
        exercise(&text, &argument, &path);
    }

    #[test]
    fn nothing_panics_on_text_that_is_almost_right(
        text in near_toml(),
        argument in near_toml(),
        path in near_toml(),
    ) {
        exercise(&text, &argument, &path);
    }
}
