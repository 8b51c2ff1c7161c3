//! The key that is varied: where it stands in the scenario, what it is now, and what another value of it makes of the rest.

use toml::Value as Toml;

use crate::quantity::{Bandwidth, Bytes, Rate, Share};
use crate::report::capacity::Kind;
use crate::scenario::{is_secret, nearest};
use crate::time::Nanos;

/// A numeric key of a resolved scenario.
#[derive(Debug, Clone)]
pub struct Key {
    /// Its whole path.
    pub path: String,
    /// What kind of quantity it has.
    pub kind: Kind,
    /// What it is as the scenario is written.
    pub value: f64,
    /// A client group whose sessions arrive at this rate, and how many it has: as many more must come as they come faster,
    /// or a higher load would only end sooner.
    arrivals: Option<(String, f64)>,
}

impl Key {
    /// Finds the key in a resolved scenario. `arrive.rate` may be said for `arrive.poisson.rate`.
    ///
    /// # Errors
    /// Why it can't be varied.
    pub fn find(resolved: &str, path: &str) -> Result<Key, String> {
        if is_secret(path) {
            return Err(format!("`{path}` is a secret, or has one: it is not varied"));
        }
        let root: Toml = toml::from_str(resolved).map_err(|error| error.to_string())?;
        let mut node = &root;
        let mut whole: Vec<String> = Vec::new();
        for step in path.split('.') {
            let table =
                node.as_table().ok_or_else(|| format!("`{}` is no table: it has no `{step}`", whole.join(".")))?;
            let inner = match (table.len(), table.iter().next()) {
                (1, Some((name, inner))) if !table.contains_key(step) => inner.get(step).map(|found| (name, found)),
                _ => None,
            };
            if let Some((name, found)) = inner {
                whole.extend([name.clone(), step.to_string()]);
                node = found;
                continue;
            }
            node = table.get(step).ok_or_else(|| {
                let known: Vec<&str> = table.keys().map(String::as_str).collect();
                if whole.is_empty()
                    && let Some(meant) = ends_with(&root, path)
                {
                    return format!("`{path}` is no key of the scenario: did you mean `{meant}`?");
                }
                let near = nearest(step, known.iter().copied());
                let near = near.map_or(String::new(), |near| format!("; the nearest is `{near}`"));
                let place = if whole.is_empty() { "the scenario".into() } else { format!("`{}`", whole.join(".")) };
                format!(
                    "{place} has no `{step}` (it has {}{near}): a key that is not written has no value to begin with; give it one with --set",
                    known.join(", ")
                )
            })?;
            whole.push(step.to_string());
        }
        let path = whole.join(".");
        let (kind, value) = match node {
            Toml::Integer(value) => (Kind::Count, *value as f64),
            Toml::Float(value) => (Kind::Number, *value),
            Toml::String(text) => quantity(text)
                .ok_or_else(|| format!("`{path}` is {text:?}: only a number or a quantity can be varied"))?,
            _ => return Err(format!("`{path}` is no single number: name the key in it that is to be varied")),
        };
        if !(value.is_finite() && value > 0.0) {
            return Err(format!("`{path}` is {}: it must be above zero to be varied", kind.shown(value)));
        }
        let group = match path.split('.').collect::<Vec<_>>()[..] {
            ["clients", group, "arrive", _, "rate"] => Some(group.to_string()),
            _ => None,
        };
        let arrivals = group.and_then(|group| {
            let count = root.get("clients")?.get(&group)?.get("count")?.as_integer()?;
            Some((group, count as f64))
        });
        Ok(Key { path, kind, value, arrivals })
    }

    /// Whether more of it is more work: a rate of arrivals, or a number of clients.
    pub fn is_load(&self) -> bool {
        let steps: Vec<&str> = self.path.split('.').collect();
        steps.first() == Some(&"clients") && matches!(steps.last(), Some(&("rate" | "count")))
    }

    /// What `--set` is given for a value.
    pub fn sets(&self, value: f64) -> Vec<String> {
        let own = format!("{}={}", self.path, self.kind.written(value));
        let count = self.arrivals.as_ref().map(|(group, count)| {
            format!("clients.{group}.count={}", (count * value / self.value).ceil().clamp(1.0, f64::from(u32::MAX)))
        });
        std::iter::once(own).chain(count).collect()
    }

    /// A value that is said on the command line.
    ///
    /// # Errors
    /// What it should look like.
    pub fn parse(&self, text: &str) -> Result<f64, String> {
        let plain = text.replace('_', "").parse::<f64>().ok().filter(|value| value.is_finite());
        let value = match (self.kind, plain, quantity(text)) {
            (Kind::Count, Some(value), _) if value.fract() == 0.0 => Some(value),
            (Kind::Number | Kind::Rate, Some(value), _) => Some(value),
            (kind, None, Some((own, value))) if own == kind => Some(value),
            _ => None,
        };
        let example = self.kind.written(self.value);
        value.filter(|value| *value > 0.0).ok_or_else(|| {
            format!("`{text}` is no value of `{}`: give one such as {}", self.path, example.trim_matches('"'))
        })
    }

    /// The nearest value that can be written: whole where there are no halves, and with six digits that count elsewhere.
    pub fn nearest(&self, value: f64) -> f64 {
        if self.kind.is_whole() {
            return value.round().max(1.0);
        }
        if self.kind == Kind::Share {
            return (value * 1e6).round() / 1e6;
        }
        let digits = 5 - libm::floor(libm::log10(value)) as i32;
        let scale = libm::pow(10.0, f64::from(digits.abs()));
        if digits >= 0 { (value * scale).round() / scale } else { (value / scale).round() * scale }
    }

    /// The largest value that there can be.
    pub fn most(&self) -> f64 {
        match self.kind {
            Kind::Share => 1.0,
            Kind::Count => 1e9,
            _ => 1e15,
        }
    }
}

/// A quantity with its unit.
fn quantity(text: &str) -> Option<(Kind, f64)> {
    let rate = text.parse::<Rate>().map(|Rate(value)| (Kind::Rate, value));
    let duration = text.parse::<Nanos>().map(|value| (Kind::Duration, value.as_secs_f64()));
    let share = text.parse::<Share>().map(|Share(value)| (Kind::Share, value));
    let bandwidth = text.parse::<Bandwidth>().map(|Bandwidth(value)| (Kind::Bandwidth, value as f64));
    let size = text.parse::<Bytes>().map(|Bytes(value)| (Kind::Size, value as f64));
    rate.ok().or(duration.ok()).or(share.ok()).or(bandwidth.ok()).or(size.ok())
}

/// The key whose path ends with one that was written without its beginning.
fn ends_with(root: &Toml, path: &str) -> Option<String> {
    let ending = format!(".{path}");
    let mut places = vec![(String::new(), root)];
    while let Some((place, node)) = places.pop() {
        if place.ends_with(&ending) {
            return Some(place[1..].to_string());
        }
        let keys = node.as_table().into_iter().flatten();
        places.extend(keys.map(|(key, inner)| (format!("{place}.{key}"), inner)));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "duration = \"60s\"\n[network]\nloss = \"2%\"\n[servers.gateway]\ncount = 3\n\
                        access_link = { up = \"10Mbit/s\", queue = \"64KB\" }\n[clients.players]\ncount = 1200\n\
                        arrive = { poisson = { rate = \"100/s\" } }\npick = \"random\"\n";

    #[test]
    fn every_quantity_can_be_varied_and_arrivals_bring_their_sessions() {
        let key = Key::find(TEXT, "clients.players.arrive.rate").unwrap();
        assert_eq!(
            (key.path.as_str(), key.kind, key.value),
            ("clients.players.arrive.poisson.rate", Kind::Rate, 100.0)
        );
        assert_eq!(key.sets(250.5), ["clients.players.arrive.poisson.rate=\"250.5/s\"", "clients.players.count=3006"]);
        for (path, kind, value) in [
            ("duration", Kind::Duration, 60.0),
            ("network.loss", Kind::Share, 0.02),
            ("servers.gateway.count", Kind::Count, 3.0),
            ("servers.gateway.access_link.up", Kind::Bandwidth, 1e7),
            ("servers.gateway.access_link.queue", Kind::Size, 64_000.0),
        ] {
            let key = Key::find(TEXT, path).unwrap();
            assert_eq!((key.kind, key.value), (kind, value), "{path}");
            assert_eq!(key.parse(key.kind.written(value).trim_matches('"')), Ok(value), "{path}");
        }
        for (path, why) in [
            ("clients.players.pick", "only a number"),
            ("clients.players.arrive", "no single number"),
            ("servers.gateway.queue_max", "give it one with --set"),
            ("servers.gatewey.count", "it has gateway"),
        ] {
            assert!(Key::find(TEXT, path).unwrap_err().contains(why), "{path}: {:?}", Key::find(TEXT, path));
        }
    }

    #[test]
    fn values_have_as_many_digits_as_count() {
        let key = Key::find(TEXT, "clients.players.arrive.rate").unwrap();
        assert_eq!([key.nearest(14_234.567_8), key.nearest(0.123_456_789)], [14_234.6, 0.123_457]);
        assert_eq!([key.nearest(1_234_567.8), key.nearest(7.0)], [1_234_570.0, 7.0]);
        assert_eq!(Key::find(TEXT, "servers.gateway.count").unwrap().nearest(2.5), 3.0);
        assert!(key.parse("10ms").is_err() && key.parse("-3/s").is_err());
    }
}
