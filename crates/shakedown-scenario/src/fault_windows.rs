//! What faults can get wrong together: two on the same server or the same link, and ones that outlast the run or their target.

use super::path::segment;
use super::{Problem, Tree};
use shakedown_core::fault::{Action, Course, Cut, Fault, FaultWindow, Side};
use shakedown_core::machine::EndpointId;
use shakedown_core::scenario::{Scenario, ServerEntry};
use shakedown_core::server::Membership;
use shakedown_core::time::Timestamp;

/// A problem with a fault that two faults, or a fault and a server, make impossible. One that the file does not have was
/// drawn at random: the arrow points at the key of the one that is written, else at where it was drawn from, and the note
/// says what was drawn.
fn impossible(
    scenario: &Scenario,
    tree: &Tree,
    (fault, key): (&Fault, &str),
    other: &Fault,
    message: String,
) -> Problem {
    let is_written = |fault: &Fault| tree.has(&format!("faults.{}", segment(&fault.name)));
    let place = match (is_written(fault), is_written(other)) {
        (true, _) => format!("faults.{}.{key}", fault.name),
        (false, true) => format!("faults.{}.at", other.name),
        (false, false) => "chaos.targets".to_string(),
    };
    let problem = tree.problem(&place, message);
    let Some(drawn) = [fault, other].into_iter().find(|fault| !is_written(fault)) else { return problem };
    let Some(window) = drawn.windows.first() else { return problem };
    let kind = drawn.kind().map_or("fault", shakedown_core::fault::Kind::name);
    let since = |at: Timestamp| at.since(Timestamp::ZERO);
    let until = window.heals.map_or("the end".to_string(), |heals| since(heals).to_string());
    let (name, seed, begins) = (&drawn.name, scenario.seed().0, since(window.begins));
    let note = format!("[chaos] drew `{name}` with seed {seed}: {kind} from {begins} until {until}");
    problem.with_note(note).with_help("run another seed, or let [chaos] draw other targets or another time")
}

/// A rolling restart has to come round: what it does to the last servers is the question.
pub(super) fn unfinished(scenario: &Scenario, tree: &Tree) -> Result<(), Problem> {
    let run = scenario.duration();
    for fault in scenario.faults() {
        let config = &fault.config;
        let Course::End { drain, turns: Some(turns), .. } = config.course else { continue };
        // Repetitions may be cut off.
        let rounds = config.repeat.and_then(|repeat| repeat.times).unwrap_or(1) as usize;
        let first = &fault.windows[..fault.windows.len() / rounds.max(1)];
        let Some(ends) = first.iter().filter_map(|window| window.heals).max() else { continue };
        let ends = ends.since(Timestamp::ZERO);
        if ends <= run {
            continue;
        }
        let restarts = first.iter().filter(|window| matches!(window.action, Action::Restart | Action::Reload));
        let servers: usize = restarts.map(|window| window.servers.len()).sum();
        let turn = drain + config.duration.unwrap_or_default();
        let message = format!("the last of {servers} servers would be back at {ends}, but the run ends at {run}");
        let help = format!(
            "a turn takes {turn} and then a gap of {}: begin earlier, let a turn take less, raise at_a_time, or let the run take longer",
            turns.gap
        );
        return Err(tree.problem(&format!("faults.{}.at", fault.name), message).with_help(help));
    }
    Ok(())
}

/// A fault can only hold a server that is there.
pub(super) fn absences(scenario: &Scenario, tree: &Tree) -> Result<(), Problem> {
    for fault in scenario.faults() {
        for window in &fault.windows {
            let heals = window.heals.unwrap_or(Timestamp::NEVER);
            for server in &window.servers {
                // DNS names are numbered after servers, and are there all the time.
                let Some(ServerEntry { name, group }) = scenario.servers().get(*server as usize) else { continue };
                let Membership { joins_at, leaves_at } = scenario.groups()[*group].membership;
                if let Some(joins) = joins_at.filter(|joins| window.begins <= *joins) {
                    let message = format!(
                        "`{}` would hold `{name}` before it has joined, at {}",
                        fault.name,
                        joins.since(Timestamp::ZERO)
                    );
                    let problem = impossible(scenario, tree, (fault, "at"), fault, message);
                    return Err(problem.or_help("let it begin later"));
                }
                if let Some((leaves, _)) = leaves_at.filter(|(leaves, _)| heals > *leaves) {
                    let message = format!(
                        "`{}` would hold `{name}` when it leaves, at {}",
                        fault.name,
                        leaves.since(Timestamp::ZERO)
                    );
                    let help = "end it before that with `for`, or give it another target";
                    let problem = impossible(scenario, tree, (fault, "target"), fault, message);
                    return Err(problem.or_help(help));
                }
            }
        }
    }
    Ok(())
}

/// Two faults can't hold the same server at the same time: what would be true of it? Nor can two of a kind hold the same
/// way over a link. Different kinds may; and of two partitions, what either cuts is cut.
pub(super) fn overlaps(scenario: &Scenario, tree: &Tree) -> Result<(), Problem> {
    for (number, fault) in scenario.faults().iter().enumerate() {
        let Some(kind) = fault.kind().filter(|kind| kind.is_of_links()) else {
            continue;
        };
        // Repetitions are in order of time.
        let outlasts = |pair: &[FaultWindow]| pair[0].heals.is_none_or(|heals| heals > pair[1].begins);
        if fault.windows.windows(2).any(outlasts) {
            let message = format!("`{}` would begin again before it is healed", fault.name);
            let help = "repeat it after a longer time, or let it take less";
            return Err(tree.problem(&format!("faults.{}.repeat.every", fault.name), message).with_help(help));
        }
        for earlier in scenario.faults()[..number].iter().filter(|earlier| earlier.kind() == Some(kind)) {
            if kind.impairs()
                && let Some(cut) = both_hold(earlier, fault)
                && at_once(earlier, fault)
            {
                let clients = match cut.side {
                    Side::Clients(group) => scenario.clients().get_index(group.into()).map(|(name, _)| name),
                    Side::Server(server) => Some(&scenario.servers()[server as usize].name),
                };
                let clients = clients.expect("a side has a name");
                let server = &scenario.servers()[cut.server as usize].name;
                let (one, other) = (&earlier.name, &fault.name);
                let message = format!(
                    "`{one}` and `{other}` would both hold the link between {clients} and {server} at the same time"
                );
                let help = "end one with `for` before the other begins, or give them different targets";
                return Err(impossible(scenario, tree, (fault, "at"), earlier, message).or_help(help));
            }
        }
    }
    let mut held: Vec<(u32, Timestamp, Timestamp, usize)> = Vec::new();
    for (number, fault) in scenario.faults().iter().enumerate() {
        for window in &fault.windows {
            let heals = window.heals.unwrap_or(Timestamp::NEVER);
            held.extend(window.servers.iter().map(|server| (*server, window.begins, heals, number)));
        }
    }
    held.sort_unstable();
    let directory = scenario.directory();
    for pair in held.windows(2) {
        let [(server, _, heals, one), (other_server, begins, _, other)] = pair else { continue };
        if server != other_server || begins >= heals {
            continue;
        }
        let server = directory.authority(EndpointId(*server));
        let (earlier, later) = (&scenario.faults()[*one.min(other)], &scenario.faults()[*one.max(other)]);
        let (first, second) = (&earlier.name, &later.name);
        if one == other {
            let message = format!("`{first}` would begin again before `{server}` is healed");
            let help = "repeat it after a longer time, or let it take less";
            return Err(tree.problem(&format!("faults.{first}.repeat.every"), message).with_help(help));
        }
        let message = format!("`{first}` and `{second}` would both hold `{server}` at the same time");
        let help = "end one with `for` before the other begins, or give them different targets";
        return Err(impossible(scenario, tree, (later, "at"), earlier, message).or_help(help));
    }
    Ok(())
}

/// A way over a link that both faults strike.
fn both_hold<'a>(one: &Fault, other: &'a Fault) -> Option<&'a Cut> {
    other.cuts.iter().find(|cut| {
        let shared = one.between(cut.side, cut.server);
        shared.is_some_and(|shared| shared.to_server && cut.to_server || shared.to_client && cut.to_client)
    })
}

/// Whether a window of one fault lasts while one of the other does.
fn at_once(one: &Fault, other: &Fault) -> bool {
    let meets = |a: &FaultWindow, b: &Fault| {
        // The last of the others that begins no later, and the first that begins later.
        let ends = a.heals.unwrap_or(Timestamp::NEVER);
        let later = b.windows.partition_point(|window| window.begins <= a.begins);
        b.lasts_at(a.begins) || b.windows.get(later).is_some_and(|window| window.begins < ends)
    };
    one.windows.iter().any(|window| meets(window, other))
}
