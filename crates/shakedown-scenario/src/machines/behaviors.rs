//! Behaviors of servers as written.

use std::collections::BTreeMap;
use std::fmt;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use shakedown_core::http::auth::{Algorithm, Login};
use shakedown_core::http::legs::LegScheme;
use shakedown_core::machine::EndpointId;
use shakedown_core::names::Names;
use shakedown_core::server::{
    AnswerConfig, Behavior, BehaviorKind, Choice, CloseConfig, DeliveryConfig, Demand, HashBy, LocationForm, Pick,
    PickMember, Proof, REPORT_EVERY, ResponseFlaws, Scheme, When,
};
use shakedown_core::time::Nanos;

use shakedown_core::scenario::Roster;

/// One behavior, or several of which the first that applies is shown; where none applies, the server accepts.
#[derive(Debug, Clone)]
pub(crate) struct Behaviors(pub Vec<BehaviorToml>);

impl Default for Behaviors {
    fn default() -> Behaviors {
        Behaviors(vec![BehaviorToml::default()])
    }
}

#[cfg(feature = "schema")]
impl JsonSchema for Behaviors {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Behaviors".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let (one, list) = (generator.subschema_for::<BehaviorToml>(), generator.subschema_for::<Vec<BehaviorToml>>());
        schemars::json_schema!({ "anyOf": [one, list] })
    }
}

impl Serialize for Behaviors {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            list => list.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Behaviors {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Behaviors, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Behaviors;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a behavior such as { kind = \"accept\" }, or a list of them")
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Behaviors, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(Behaviors)
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Behaviors, A::Error> {
                BehaviorToml::deserialize(de::value::MapAccessDeserializer::new(map)).map(|one| Behaviors(vec![one]))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// `{ kind = "redirect", to = "gateway", … }`: how a server answers, and to which requests.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", schemars(rename = "BehaviorConfig"))]
pub(crate) struct BehaviorToml {
    /// Kind of behavior.
    pub kind: BehaviorKind,
    /// redirect: the servers and groups to send clients to; absent: the same server, under another `path`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Names>,
    /// redirect: how a member of the group is chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pick: Option<PickMember>,
    /// redirect by weight: the weights of servers and groups in `to` (a group's weight is that of each member);
    /// 1 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<BTreeMap<String, u32>>,
    /// redirect by consistent hash: what is hashed (`client` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_by: Option<HashBy>,
    /// redirect: the form of `Location`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<LocationForm>,
    /// redirect: the path in `Location`; absent: the requested path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// redirect: how often members report their open connections, for `least-connections`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report_every: Option<Nanos>,
    /// redirect (307 unless given) and reject (503 unless given): the status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// redirect and reject: `Retry-After`, in whole seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Nanos>,
    /// challenge: the user and the password that are accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Login>,
    /// challenge: authentication scheme (`basic` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Scheme>,
    /// challenge by Digest: hash algorithm (`sha-256` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// challenge: realm (`shakedown` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// challenge by Digest: lifetime of a nonce (5 min unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce_lifetime: Option<Nanos>,
    /// challenge (true unless given) and redirect (false unless given): whether the connection stays open for the next
    /// request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<bool>,
    /// challenge: whether credentials are verified (true unless given), or any are accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<bool>,
    /// Malformed or additional parts of the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<AnswerConfig>,
    /// How the response is sent; absent: in one piece, at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryConfig>,
    /// accept: when the server closes the connection; absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close: Option<CloseConfig>,
    /// Conditions for requests that it applies to; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
}

impl BehaviorToml {
    /// Whether its answers are as they should be, and sent in one piece.
    fn is_plain(&self) -> bool {
        self.answer.is_none() && self.delivery.is_none()
    }

    /// Makes the defaults visible that mean something only beside other keys.
    pub(crate) fn fill_in(&mut self) {
        if let Some(delivery) = self.delivery.as_mut().filter(|delivery| delivery.cut.is_some()) {
            delivery.then.get_or_insert_default();
        }
        if self.pick == Some(PickMember::ConsistentHash) {
            self.hash_by.get_or_insert_default();
        }
        if self.kind != BehaviorKind::Challenge {
            return;
        }
        if *self.scheme.get_or_insert_default() == Scheme::Digest {
            self.algorithm.get_or_insert_default();
            self.nonce_lifetime.get_or_insert(NONCE_LIFETIME);
        }
        if !self.scheme.is_some_and(Scheme::has_legs) {
            self.realm.get_or_insert_with(|| REALM.into());
        }
        let plain = self.is_plain();
        self.keep_alive.get_or_insert(plain);
        self.verify.get_or_insert(true);
    }

    /// The behavior with what its kind has, and its names looked up.
    pub(crate) fn read(&self, roster: &Roster) -> Behavior {
        let retry_after = self.retry_after.map(|time| (time.0 / 1_000_000_000) as u32);
        let choice = match self.kind {
            BehaviorKind::Accept => Choice::Accept,
            BehaviorKind::Stall => Choice::Stall,
            BehaviorKind::Serve => Choice::Serve,
            BehaviorKind::Garbage => Choice::Garbage,
            BehaviorKind::Challenge => {
                self.demand().map_or(Choice::Accept, |demand| Choice::Challenge(Box::new(demand)))
            }
            BehaviorKind::Reject => Choice::Reject { status: self.status.unwrap_or(503), retry_after },
            BehaviorKind::Redirect => {
                let to = roster.all_endpoints(self.to.as_ref());
                Choice::Redirect {
                    status: self.status.unwrap_or(307),
                    form: self.location.unwrap_or(if to.is_empty() {
                        LocationForm::Relative
                    } else {
                        LocationForm::Ws
                    }),
                    pick: Pick {
                        weights: self.weights(&to, roster),
                        to,
                        how: self.pick.unwrap_or_default(),
                        by: self.hash_by.unwrap_or_default(),
                        report_every: self.report_every.unwrap_or(REPORT_EVERY),
                    },
                    path: self.path.clone(),
                    retry_after,
                    keep_alive: self.keep_alive.unwrap_or(false),
                }
            }
        };
        let flaws = ResponseFlaws {
            answer: self.answer.clone().unwrap_or_default(),
            delivery: self.delivery.clone().unwrap_or_default(),
            close: self.close,
        };
        let flaws = (flaws != ResponseFlaws::default()).then(|| Box::new(flaws));
        Behavior { choice, flaws, when: self.when.clone().unwrap_or_default() }
    }

    /// What it demands, where it has credentials.
    pub(crate) fn demand(&self) -> Option<Demand> {
        Some(Demand {
            login: self.credentials.clone()?,
            proof: match self.scheme.unwrap_or_default() {
                Scheme::Basic => Proof::Basic,
                Scheme::Digest => Proof::Digest(self.algorithm.unwrap_or_default()),
                Scheme::Ntlm => Proof::Legs(LegScheme::Ntlm),
                Scheme::Negotiate => Proof::Legs(LegScheme::Negotiate),
            },
            realm: self.realm.clone().unwrap_or_else(|| REALM.into()),
            nonce_lifetime: self.nonce_lifetime.unwrap_or(NONCE_LIFETIME),
            keep_alive: self.keep_alive.unwrap_or(self.is_plain()),
            verify: self.verify.unwrap_or(true),
        })
    }

    /// A weight for each target, where there are any; a server's own name says more than its group's.
    fn weights(&self, to: &[EndpointId], roster: &Roster) -> Vec<u32> {
        let Some(weights) = &self.weights else { return Vec::new() };
        let weight = |endpoint: &EndpointId| {
            let (own, group) = roster.name(*endpoint);
            own.and_then(|own| weights.get(own)).or_else(|| weights.get(group?)).copied().unwrap_or(1)
        };
        to.iter().map(weight).collect()
    }
}

/// How long a nonce may be used unless the scenario says otherwise.
pub(super) const NONCE_LIFETIME: Nanos = Nanos::from_secs(300);
/// What a password is for unless the scenario says otherwise.
pub(super) const REALM: &str = "shakedown";

impl Default for BehaviorToml {
    fn default() -> BehaviorToml {
        BehaviorToml {
            kind: BehaviorKind::Accept,
            to: None,
            pick: None,
            weights: None,
            hash_by: None,
            location: None,
            path: None,
            report_every: None,
            status: None,
            retry_after: None,
            credentials: None,
            scheme: None,
            algorithm: None,
            realm: None,
            nonce_lifetime: None,
            keep_alive: None,
            verify: None,
            answer: None,
            delivery: None,
            close: None,
            when: None,
        }
    }
}
