//! The `kernel` driver where there is none: on other systems than Linux.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Instant;

use shakedown_core::driver::pipes::Initiator;
use shakedown_core::machine::EndpointId;
use shakedown_core::rng::Identity;
use shakedown_core::scenario::Scenario;
use shakedown_core::time::Nanos;

use super::dns::{Answer, Query};
use super::hosts::Note;
use super::tap::Tap;
use super::told::Told;

/// Says that there is no such driver here.
///
/// # Errors
/// Always.
pub fn prepare() -> Result<(), String> {
    Err("--driver kernel takes Linux: its network namespaces, and its TUN devices (docs/kernel.md)".into())
}

#[derive(Debug)]
pub(crate) struct World(Infallible);

impl World {
    pub(crate) fn new(_: &Scenario) -> io::Result<World> {
        prepare().map_err(io::Error::other)?;
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn calibrate(&self) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn settle(&self) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn carry_before(&self, _: &Scenario) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn begin(&self, _: &Scenario, _: Instant, _: Option<Tap>) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn at_server<T>(&self, _: u32, _: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self.0 {}
    }

    pub(crate) fn server(_: u32) -> SocketAddr {
        SocketAddr::from(([0, 0, 0, 0], 0))
    }

    pub(crate) fn address(&self, _: Initiator) -> IpAddr {
        match self.0 {}
    }

    pub(crate) fn power_off(&self, _: u32) {
        match self.0 {}
    }

    pub(crate) fn boot(&self, _: u32) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn reset(&self, _: SocketAddr, _: u32) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn asked(&self) -> Vec<(SocketAddr, u32)> {
        match self.0 {}
    }

    pub(crate) fn queries(&self) -> Vec<Query> {
        match self.0 {}
    }

    pub(crate) fn answer(&self, _: &Query, _: Answer<'_>) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn ask(_: IpAddr, _: u16, _: &str) -> io::Result<UdpSocket> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn servers_of(&self, _: u16, _: &[u8]) -> Option<(Vec<EndpointId>, Nanos)> {
        match self.0 {}
    }

    pub(crate) async fn asks(&self) {
        match self.0 {}
    }

    pub(crate) fn identity(&self, _: SocketAddr) -> Option<Identity> {
        match self.0 {}
    }

    pub(crate) fn begin_flow(&self, _: SocketAddr, _: u32, _: Option<u32>) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn end_flow(&self, _: SocketAddr, _: u32) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn forget_flows(&self, _: u32) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn cut_flows(&self, _: u32, _: u32) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn hang(&self, _: u32, _: bool) {
        match self.0 {}
    }

    pub(crate) fn notes(&self) -> Vec<Note> {
        match self.0 {}
    }

    pub(crate) fn end(&self) -> io::Result<Told> {
        match self.0 {}
    }
}
