//! The few things that are asked of a namespace's network: an interface goes up, an address, a route (rtnetlink(7)).

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, recv, send, socket};

const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const NEW_ROUTE: u16 = 24;
const ERROR: u16 = 2;
/// A request that is to be answered, and to make what is not there.
const FLAGS: u16 = 0x1 | 0x4 | 0x400;
const AF_INET: u8 = 2;
const UP: u32 = 1;
const IFLA_TXQLEN: u16 = 13;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_OIF: u16 = 4;
/// The main table, by whoever boots the machine, on this link, to one host.
const ROUTE: [u8; 4] = [254, 3, 253, 1];

/// A socket that speaks to the network of the namespace in which it was made.
#[derive(Debug)]
pub(super) struct Netlink(OwnedFd);

impl Netlink {
    pub(super) fn new() -> io::Result<Netlink> {
        Ok(Netlink(socket(AddressFamily::NETLINK, SocketType::RAW, None)?))
    }

    /// The number of an interface.
    pub(super) fn index(name: &str) -> io::Result<u32> {
        let any = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
        Ok(name_to_index(any, name)?)
    }

    /// An interface goes up, and keeps so many packets until they are taken.
    pub(super) fn up(&self, index: u32, queue: Option<u32>) -> io::Result<()> {
        let mut body = vec![0; 4];
        body.extend(index.to_ne_bytes());
        body.extend([UP, UP].iter().flat_map(|flags| flags.to_ne_bytes()));
        if let Some(queue) = queue {
            attribute(&mut body, IFLA_TXQLEN, queue.to_ne_bytes());
        }
        self.ask(NEW_LINK, &body)
    }

    /// An interface has an address, and all others of its prefix: of the loopback interface, each of them is this host's.
    pub(super) fn address(&self, index: u32, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
        let mut body = vec![AF_INET, prefix, 0, 0];
        body.extend(index.to_ne_bytes());
        attribute(&mut body, IFA_LOCAL, address.octets());
        attribute(&mut body, IFA_ADDRESS, address.octets());
        self.ask(NEW_ADDRESS, &body)
    }

    /// Whatever is not this host's goes out at an interface.
    pub(super) fn default_route(&self, index: u32) -> io::Result<()> {
        let mut body = vec![AF_INET, 0, 0, 0];
        body.extend(ROUTE);
        body.extend([0; 4]);
        attribute(&mut body, RTA_OIF, index.to_ne_bytes());
        self.ask(NEW_ROUTE, &body)
    }

    fn ask(&self, kind: u16, body: &[u8]) -> io::Result<()> {
        let mut message = Vec::with_capacity(16 + body.len());
        message.extend((16 + body.len() as u32).to_ne_bytes());
        message.extend([kind, FLAGS].iter().flat_map(|half| half.to_ne_bytes()));
        // Numbers that only matter to who asks for more than one thing at a time.
        message.extend([0; 8]);
        message.extend(body);
        send(&self.0, &message, SendFlags::empty())?;
        let mut answer = [0; 1024];
        let (len, _) = recv(&self.0, &mut answer, RecvFlags::empty())?;
        result(&answer[..len])
    }
}

/// What the kernel answered.
fn result(answer: &[u8]) -> io::Result<()> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "netlink: no answer to what was asked");
    let kind: [u8; 2] = answer.get(4..6).and_then(|kind| kind.try_into().ok()).ok_or_else(wrong)?;
    let code: [u8; 4] = answer.get(16..20).and_then(|code| code.try_into().ok()).ok_or_else(wrong)?;
    match (u16::from_ne_bytes(kind), i32::from_ne_bytes(code)) {
        (ERROR, 0) => Ok(()),
        (ERROR, code) => Err(io::Error::from_raw_os_error(code.saturating_neg())),
        _ => Err(wrong()),
    }
}

fn attribute(body: &mut Vec<u8>, kind: u16, value: [u8; 4]) {
    body.extend([8, kind].iter().flat_map(|half| half.to_ne_bytes()));
    body.extend(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_kernels_is_one_of_the_systems() {
        let mut answer = [0; 36];
        answer[4..6].copy_from_slice(&ERROR.to_ne_bytes());
        assert!(result(&answer).is_ok());
        answer[16..20].copy_from_slice(&(-1_i32).to_ne_bytes());
        assert_eq!(result(&answer).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(result(&answer[..8]).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
