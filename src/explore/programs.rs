//! Servers that are programs: where they are told to listen, how they are started, and what they print.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::live_error::LiveError;
use crate::driver::live::{Program, server_address};
use crate::scenario::Scenario;

/// More of what a program prints is not kept.
const OUTPUT_MAX: u64 = 16 << 20;
/// How much of it is shown when it does not start.
const LAST_LINES: usize = 10;

/// What programs print, by server name.
#[derive(Debug, Default)]
pub struct Outputs(Vec<(String, File)>);

impl Outputs {
    fn read(mut file: &File) -> Vec<u8> {
        let mut bytes = Vec::new();
        // What can't be read is missing from the folder, and nothing else is.
        let _ = file.seek(SeekFrom::Start(0)).and_then(|_| file.take(OUTPUT_MAX).read_to_end(&mut bytes));
        bytes
    }

    /// `NAME.log` for each.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        self.0.iter().map(|(name, file)| (format!("{name}.log"), Outputs::read(file))).collect()
    }

    /// The end of each, to read.
    pub fn last_lines(&self) -> String {
        let mut all = String::new();
        for (name, file) in &self.0 {
            let bytes = Outputs::read(file);
            let text = String::from_utf8_lossy(&bytes);
            let lines: Vec<&str> = text.lines().collect();
            let from = lines.len().saturating_sub(LAST_LINES);
            all.extend(lines[from..].iter().map(|line| format!("{name}: {line}\n")));
        }
        all
    }
}

/// Makes every program of a scenario ready to be started: each gets a free port of 127.0.0.1, or that of its own host where
/// there is a wire.
///
/// # Errors
/// [`LiveError`], where that is not allowed, or no port is to be had.
pub(super) fn ready(
    scenario: &Scenario,
    allowed: bool,
    wire: bool,
) -> Result<(BTreeMap<u32, Program>, Outputs), LiveError> {
    let commands = (0u32..).zip(scenario.servers()).filter_map(|(number, entry)| {
        let command = scenario.groups()[entry.group].program()?;
        Some((number, entry.name.clone(), command.to_vec()))
    });
    let commands: Vec<_> = commands.collect();
    if let Some((_, name, command)) = commands.first().filter(|_| !allowed) {
        return Err(LiveError::Target(format!(
            "`{name}` is a program (`{}`): write --allow-commands if it may be started",
            command.join(" ")
        )));
    }
    let (mut programs, mut outputs) = (BTreeMap::new(), Outputs::default());
    // Kept until all are chosen, so that none is chosen twice.
    let mut ports = Vec::new();
    for (number, name, command) in commands {
        let address = match wire {
            true => server_address(number),
            false => {
                let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
                let address = port.local_addr()?;
                ports.push(port);
                address
            }
        };
        let output = tempfile::tempfile()?;
        outputs.0.push((name.clone(), output.try_clone()?));
        let filled = |text: &String| {
            let text = text.replace("{address}", &address.to_string());
            text.replace("{port}", &address.port().to_string()).replace("{name}", &name)
        };
        let words: Vec<String> = command.iter().map(filled).collect();
        let server = name.clone();
        let start = move || {
            let said = || -> io::Result<Stdio> { Ok(output.try_clone()?.into()) };
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]).env("HOST", address.ip().to_string()).env("PORT", address.port().to_string());
            command.env("SHAKEDOWN_SERVER", &server).stdin(Stdio::null()).stdout(said()?).stderr(said()?);
            // Signals are for it and all that it starts, and Ctrl-C is not for it.
            command.process_group(0).spawn()
        };
        programs.insert(number, Program { name, address, start: Arc::new(start) });
    }
    Ok((programs, outputs))
}
