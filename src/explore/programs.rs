//! Programs of the user's: servers, and what faults run. How they are started, what their arguments say, what they print.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;

use super::live_error::LiveError;
use crate::driver::live::{FaultCommand, Program, Start, server_address};
use crate::scenario::Scenario;

/// More of what a program prints is not kept.
const OUTPUT_MAX: u64 = 16 << 20;
/// How much of it is shown when it does not start.
const LAST_LINES: usize = 10;

/// Whether a scenario's programs may be started: it may come from anyone.
#[derive(Debug, Clone, Copy)]
pub enum Programs<'a> {
    /// None is.
    Refused,
    /// All are.
    Allowed {
        /// The folder that `{here}` stands for: that of the scenario's file.
        here: &'a Path,
    },
}

/// What programs print, by name, and their folders, which are deleted with it.
#[derive(Debug, Default)]
pub struct Outputs {
    printed: Vec<(String, File)>,
    folders: Option<TempDir>,
}

impl Outputs {
    fn read(mut file: &File) -> Vec<u8> {
        let mut bytes = Vec::new();
        // What can't be read is missing from the folder, and nothing else is.
        let _ = file.seek(SeekFrom::Start(0)).and_then(|_| file.take(OUTPUT_MAX).read_to_end(&mut bytes));
        bytes
    }

    /// `NAME.log` for each.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        self.printed.iter().map(|(name, file)| (format!("{name}.log"), Outputs::read(file))).collect()
    }

    /// The end of each, to read.
    pub fn last_lines(&self) -> String {
        let mut all = String::new();
        for (name, file) in &self.printed {
            let bytes = Outputs::read(file);
            let text = String::from_utf8_lossy(&bytes);
            let lines: Vec<&str> = text.lines().collect();
            let from = lines.len().saturating_sub(LAST_LINES);
            all.extend(lines[from..].iter().map(|line| format!("{name}: {line}\n")));
        }
        all
    }

    /// A file for what a program prints.
    fn add(&mut self, name: String) -> io::Result<File> {
        let output = tempfile::tempfile()?;
        self.printed.push((name, output.try_clone()?));
        Ok(output)
    }

    /// A server's folder, for files that nobody needs afterwards.
    fn folder(&mut self, server: &str) -> io::Result<PathBuf> {
        let all = match &self.folders {
            Some(all) => all,
            None => self.folders.insert(tempfile::tempdir()?),
        };
        let folder = all.path().join(server);
        std::fs::create_dir_all(&folder)?;
        // A program that gives up its rights still finds its own files.
        std::fs::set_permissions(all.path(), std::fs::Permissions::from_mode(0o755))?;
        Ok(folder)
    }
}

/// Everything of a scenario that is to be started, and what it prints.
#[derive(Debug, Default)]
pub(super) struct Ready {
    pub servers: BTreeMap<u32, Program>,
    pub faults: BTreeMap<(u32, u32), FaultCommand>,
    pub outputs: Outputs,
}

/// Makes every program of a scenario ready to be started. Each server that is one gets a free port of 127.0.0.1, or that of
/// its own host where there is a wire.
///
/// # Errors
/// [`LiveError`], where that is not allowed, a program is not there, or no port is to be had.
pub(super) fn ready(scenario: &Scenario, programs: Programs<'_>, wire: bool) -> Result<Ready, LiveError> {
    let servers = (0u32..).zip(scenario.servers()).filter_map(|(number, entry)| {
        let program = scenario.groups()[entry.group].program()?;
        Some((number, entry.name.as_str(), program))
    });
    let servers: Vec<_> = servers.collect();
    let faults = (0u32..).zip(scenario.faults()).filter_map(|(number, fault)| {
        let commands = fault.config.commands.as_ref()?;
        Some((number, fault, commands))
    });
    let faults: Vec<_> = faults.collect();
    let first = servers.first().map(|(_, name, program)| (*name, "is", &program.command[..]));
    let first = first.or_else(|| faults.first().map(|(_, fault, all)| (fault.name.as_str(), "runs", &all.begin[..])));
    let Some((name, is, command)) = first else { return Ok(Ready::default()) };
    let Programs::Allowed { here } = programs else {
        let command = command.join(" ");
        return Err(LiveError::Target(format!(
            "`{name}` {is} a program (`{command}`): write --allow-commands if it may be started"
        )));
    };
    let mut ready = Ready::default();
    // Kept until all are chosen, so that none is chosen twice.
    let mut ports = Vec::new();
    let mut addresses = BTreeMap::new();
    for (number, entry) in (0u32..).zip(scenario.servers()) {
        if wire {
            addresses.insert(entry.name.as_str(), server_address(number));
        } else if scenario.groups()[entry.group].program().is_some() {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            addresses.insert(entry.name.as_str(), port.local_addr()?);
            ports.push(port);
        }
    }
    // A scenario that is named by its file alone has none.
    let here = std::path::absolute(if here.as_os_str().is_empty() { Path::new(".") } else { here })?;
    for (number, name, program) in servers {
        let place = Place { server: name, here: &here, folder: ready.outputs.folder(name)?, addresses: &addresses };
        let output = ready.outputs.add(name.to_string())?;
        let start = place.start(name, &program.command, output)?;
        ready.servers.insert(
            number,
            Program { name: name.to_string(), address: addresses[name], listens: program.listens, start },
        );
    }
    for (number, fault, commands) in faults {
        let output = ready.outputs.add(format!("{}.command", fault.name))?;
        for server in fault.windows.first().into_iter().flat_map(|window| &window.servers) {
            let name = scenario.servers()[*server as usize].name.as_str();
            let place = Place { server: name, here: &here, folder: ready.outputs.folder(name)?, addresses: &addresses };
            let start = |command: &Vec<String>| place.start(&fault.name, command, output.try_clone()?);
            let (begin, heal) = (start(&commands.begin)?, commands.heal.as_ref().map(start).transpose()?);
            let name = format!("faults.{} on {name}", fault.name);
            ready.faults.insert((number, *server), FaultCommand { name, begin, heal });
        }
    }
    Ok(ready)
}

/// What a program on a server's host is told.
struct Place<'a> {
    server: &'a str,
    here: &'a Path,
    folder: PathBuf,
    /// Of every server whose address is known before it listens.
    addresses: &'a BTreeMap<&'a str, SocketAddr>,
}

impl Place<'_> {
    /// What starts a program here: `of` has it in the scenario.
    fn start(&self, of: &str, command: &[String], output: File) -> Result<Start, LiveError> {
        let words = command.iter().map(|word| self.filled(of, word)).collect::<Result<Vec<String>, LiveError>>()?;
        if !is_there(&words[0]) {
            let message = format!("`{of}` runs `{}`, which is not installed here, or not on the PATH", words[0]);
            return Err(LiveError::Limits(message));
        }
        let (server, address) = (self.server.to_string(), self.addresses.get(self.server).copied());
        Ok(Arc::new(move || {
            let said = || -> io::Result<Stdio> { Ok(output.try_clone()?.into()) };
            let mut command = Command::new(&words[0]);
            if let Some(address) = address {
                command.env("HOST", address.ip().to_string()).env("PORT", address.port().to_string());
            }
            command.args(&words[1..]).env("SHAKEDOWN_SERVER", &server);
            command.stdin(Stdio::null()).stdout(said()?).stderr(said()?);
            // Signals are for it and all that it starts, and Ctrl-C is not for it.
            command.process_group(0).spawn()
        }))
    }

    /// A word of a command, with what its placeholders stand for.
    fn filled(&self, of: &str, word: &str) -> Result<String, LiveError> {
        let mut filled = String::new();
        let mut rest = word;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let end = after.find('}').map_or("", |end| &after[..end]);
            let (server, key) = end.rsplit_once('.').unwrap_or((self.server, end));
            let address = self.addresses.get(server);
            let text = match (end, key) {
                ("name", _) => self.server.to_string(),
                ("here", _) => self.here.display().to_string(),
                ("folder", _) => self.folder.display().to_string(),
                (_, "address" | "host" | "port") => {
                    let address = address.ok_or_else(|| {
                        let known = "no server of this name has an address before the run begins";
                        LiveError::Target(format!("`{of}`: `{{{end}}}`: {known}: docs/real-sockets.md"))
                    })?;
                    match key {
                        "address" => address.to_string(),
                        "host" => address.ip().to_string(),
                        _ => address.port().to_string(),
                    }
                }
                // A brace of the program's own.
                _ => {
                    filled.push('{');
                    rest = after;
                    continue;
                }
            };
            filled.push_str(&text);
            rest = &after[end.len() + 1..];
        }
        Ok(filled + rest)
    }
}

/// Whether a program can be found; a path is tried when it is started.
fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let runs =
        |file: PathBuf| file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
    program.contains('/') || std::env::split_paths(&path).any(|folder| runs(folder.join(program)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_other_braces_are_left() {
        let at = |port: u16| SocketAddr::from(([10, 0, 0, 1], port));
        let addresses = BTreeMap::from([("lb-0", at(8080)), ("gateway-1", at(81))]);
        let place = Place { server: "lb-0", here: Path::new("/s"), folder: "/f".into(), addresses: &addresses };
        let filled = |word: &str| place.filled("lb", word);
        assert_eq!(
            filled("{name} {address} {host} {port} {here} {folder}").unwrap(),
            "lb-0 10.0.0.1:8080 10.0.0.1 8080 /s /f"
        );
        assert_eq!(filled("a={gateway-1.address};{gateway-1.port}").unwrap(), "a=10.0.0.1:81;81");
        for own in ["{}", "{", "a{b", "${HOME}", "{{name}", "{ print $1 }"] {
            assert_eq!(filled(own).unwrap(), own.replace("{name}", "lb-0"), "{own}");
        }
        let unknown = filled("{other-0.address}").unwrap_err().to_string();
        assert!(unknown.contains("`lb`: `{other-0.address}`"), "{unknown}");
    }

    #[test]
    fn a_program_that_is_not_there_is_missed() {
        assert!(is_there("sh") && is_there("/anything/with/a/path"));
        assert!(!is_there("no-program-has-this-name"));
    }
}
