//! Invariants: what must hold in every run, whatever its scenario expects.

/// What no run may do. `found` is how often each thing that should not be was found, by name; `known` says whether some
/// client of the run is known for it. A line for each invariant that broke.
///
/// What a client is known for can only break an expectation: a scenario is free to ask what comes of it. What none is
/// known for is a slip of the scenario, or of this program. What a server does, or a session that is open twice, never is.
pub fn broken(found: &[(&'static str, u64)], known: impl Fn(&str) -> bool) -> Vec<String> {
    let line = |(name, count): &(&'static str, u64)| match *name {
        _ if *count == 0 => None,
        "accepted_without_credentials" => {
            Some(format!("{name}: {count}: a server let in who had not shown the credentials that it demands"))
        }
        "opened_twice" => Some(format!("{name}: {count}: a session opened that was open")),
        name if known(name) => None,
        name => {
            let word = name.replace('_', "-");
            Some(format!("{name}: {count}: no client of the run is known for it (known_findings = [\"{word}\"])"))
        }
    };
    found.iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_a_client_breaks_nothing_and_the_rest_does() {
        let found = |name| broken(&[(name, 3)], |known| known == "credentials_leaked");
        assert_eq!(found("credentials_leaked"), Vec::<String>::new());
        assert_eq!(
            found("accept_unverified"),
            ["accept_unverified: 3: no client of the run is known for it (known_findings = [\"accept-unverified\"])"]
        );
        // Nobody may be known for these.
        assert_eq!(broken(&[("accepted_without_credentials", 1), ("opened_twice", 1)], |_| true).len(), 2);
        assert_eq!(broken(&[("accepted_without_credentials", 0), ("redirect_loop", 0)], |_| false).len(), 0);
    }
}
