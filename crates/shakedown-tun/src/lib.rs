//! Opens a TUN device: a network interface whose packets a program reads and writes.
//!
//! It is a package of its own because it takes a system call that Rust can't check (`ioctl`). Every other package forbids
//! `unsafe`; here it stands once, in [`open`].

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::{File, OpenOptions};
    use std::io;
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::fs::OFlags;
    use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

    /// `TUNSETIFF` of `linux/if_tun.h`: the file becomes an interface.
    const TUNSETIFF: Opcode = opcode::write::<i32>(b'T', 202);
    /// IP packets, with nothing before them (`IFF_TUN | IFF_NO_PI`).
    const FLAGS: u16 = 0x0001 | 0x1000;

    /// `struct ifreq` of `linux/if.h`: a name, then a union of which the flags are all that is used here.
    #[repr(C)]
    struct Request {
        name: [u8; 16],
        flags: u16,
        rest: [u8; 22],
    }

    // What the kernel copies; the union is as long as a pointer makes it.
    const _: () = assert!(size_of::<Request>() >= 16 + 16 + size_of::<usize>());

    /// Makes a TUN device of this name in the network namespace of the calling thread. Reading gives one packet, and writing
    /// takes one; neither blocks. The device is gone when the file is closed.
    ///
    /// # Errors
    /// When there is no `/dev/net/tun`, or it is not for this process to use.
    pub fn open(name: &str) -> io::Result<File> {
        let mut request = Request { name: [0; 16], flags: FLAGS, rest: [0; 22] };
        // The last byte ends the name.
        let room = request.name.len() - 1;
        let too_long = || io::Error::new(io::ErrorKind::InvalidInput, "the name of a device has 15 bytes at most");
        request.name[..room].get_mut(..name.len()).ok_or_else(too_long)?.copy_from_slice(name.as_bytes());
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        let file = options.open("/dev/net/tun")?;
        #[expect(unsafe_code, reason = "the kernel reads and writes memory by a number that no type describes")]
        // SAFETY: `TUNSETIFF` reads and writes one `struct ifreq`, which `Request` has the layout and at least the length
        // of. It lives until the call returns, and the kernel keeps no pointer to it.
        unsafe {
            ioctl(&file, Updater::<TUNSETIFF, Request>::new(&mut request))?;
        }
        Ok(file)
    }

    #[cfg(test)]
    mod tests {
        #[test]
        fn a_name_fits() {
            let error = super::open("a-name-of-16-byt").unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        }
    }
}

#[cfg(target_os = "linux")]
pub use linux::open;
