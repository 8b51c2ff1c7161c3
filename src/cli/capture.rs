//! `run --driver kernel --capture FILE`: the packets on the wire.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::output::{Failure, machine};
use crate::driver::live::{Tap, host_names};
use crate::replay::blocks::{File, Packet};
use crate::scenario::Scenario;
use crate::time::Timestamp;

/// A capture file that is being written.
pub(super) struct Capture {
    path: PathBuf,
    to: Arc<Mutex<Writer>>,
}

struct Writer {
    out: BufWriter<fs::File>,
    file: File,
    packets: u64,
    failed: Option<io::Error>,
}

impl Writer {
    /// After a failure, nothing more is written.
    fn write(&mut self) {
        let bytes = self.file.take();
        if self.failed.is_none() {
            self.failed = self.out.write_all(&bytes).err();
        }
    }

    fn packet(&mut self, at: Timestamp, packet: &[u8]) {
        self.file.packet(&Packet { at, bytes: packet.to_vec(), comment: None });
        self.packets += 1;
        self.write();
    }
}

impl Capture {
    /// Begins a file, which must not be there.
    pub(super) fn begin(path: &Path, scenario: &Scenario) -> Result<Capture, Failure> {
        let out = fs::File::create_new(path);
        let out = out.map_err(|error| machine(format!("can't write {}: {error}", path.display())))?;
        let mut file = File::default();
        file.begin(&format!("{}, seed {}: {}", scenario.name(), scenario.seed().0, scenario.title()));
        file.names(&host_names(scenario));
        let mut writer = Writer { out: BufWriter::new(out), file, packets: 0, failed: None };
        writer.write();
        Ok(Capture { path: path.to_path_buf(), to: Arc::new(Mutex::new(writer)) })
    }

    /// What shows it packets.
    pub(super) fn tap(&self) -> Tap {
        let to = Arc::clone(&self.to);
        Tap::new(move |at, packet| to.lock().unwrap_or_else(PoisonError::into_inner).packet(at, packet))
    }

    /// Writes the rest: where it is, and how many packets it has.
    pub(super) fn finish(&self) -> Result<(&Path, u64), Failure> {
        let mut writer = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        let flushed = writer.failed.take().map_or(Ok(()), Err).and_then(|()| writer.out.flush());
        flushed.map_err(|error| machine(format!("can't write {}: {error}", self.path.display())))?;
        Ok((&self.path, writer.packets))
    }
}
