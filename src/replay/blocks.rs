//! The blocks of a capture file.
//!
//! The format: <https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-03.html>.

use std::collections::BTreeMap;

use crate::time::Timestamp;

/// A packet, and what is to be said of it.
pub(crate) struct Packet {
    pub at: Timestamp,
    pub bytes: Vec<u8>,
    pub comment: Option<String>,
}

/// A capture file's blocks, little-endian.
#[derive(Default)]
pub(crate) struct File(Vec<u8>);

impl File {
    fn block(&mut self, kind: u32, body: &[u8]) {
        let length = (body.len() + 12) as u32;
        self.0.extend(kind.to_le_bytes());
        self.0.extend(length.to_le_bytes());
        self.0.extend(body);
        self.0.extend(length.to_le_bytes());
    }

    /// Section header and interface: raw IP packets, times in nanoseconds since the run began.
    pub(crate) fn begin(&mut self, comment: &str) {
        const RAW_IP: u16 = 101;
        let mut section = Vec::new();
        section.extend(0x1A2B_3C4D_u32.to_le_bytes());
        section.extend(1_u16.to_le_bytes());
        section.extend(0_u16.to_le_bytes());
        // The section's length is not told.
        section.extend(u64::MAX.to_le_bytes());
        option(&mut section, 1, comment.as_bytes());
        option(&mut section, 4, concat!("shakedown ", env!("CARGO_PKG_VERSION")).as_bytes());
        option(&mut section, 0, &[]);
        self.block(0x0A0D_0D0A, &section);
        let mut interface = Vec::new();
        interface.extend(RAW_IP.to_le_bytes());
        interface.extend(0_u16.to_le_bytes());
        // No limit to what is kept of a packet.
        interface.extend(0_u32.to_le_bytes());
        option(&mut interface, 2, b"clients");
        // Ten to the minus nine.
        option(&mut interface, 9, &[9]);
        option(&mut interface, 0, &[]);
        self.block(1, &interface);
    }

    /// Name resolution.
    pub(crate) fn names(&mut self, names: &BTreeMap<[u8; 4], String>) {
        const IPV4: u16 = 1;
        let mut body = Vec::new();
        for (address, name) in names {
            let value = [&address[..], name.as_bytes(), &[0]].concat();
            option(&mut body, IPV4, &value);
        }
        option(&mut body, 0, &[]);
        self.block(4, &body);
    }

    /// An enhanced packet.
    pub(crate) fn packet(&mut self, packet: &Packet) {
        let length = packet.bytes.len() as u32;
        let mut body = Vec::new();
        body.extend(0_u32.to_le_bytes());
        body.extend(((packet.at.0 >> 32) as u32).to_le_bytes());
        body.extend((packet.at.0 as u32).to_le_bytes());
        body.extend(length.to_le_bytes());
        body.extend(length.to_le_bytes());
        padded(&mut body, &packet.bytes);
        if let Some(comment) = &packet.comment {
            option(&mut body, 1, comment.as_bytes());
            option(&mut body, 0, &[]);
        }
        self.block(6, &body);
    }

    /// What was written since this was asked last.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

/// An option, or a record of names, which are written alike: a code, a length, the value.
fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    padded(body, value);
}

/// To a multiple of four bytes.
fn padded(body: &mut Vec<u8>, bytes: &[u8]) {
    body.extend(bytes);
    body.resize(body.len().next_multiple_of(4), 0);
}
