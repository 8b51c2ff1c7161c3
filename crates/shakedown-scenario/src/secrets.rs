//! The secrets that a scenario names and does not contain: read when a run needs them, and written nowhere.

use shakedown_core::http::SecretSource;
use shakedown_core::http::auth::Login;

use crate::check::behavior;
use crate::file::File;
use crate::problem::Problem;
use crate::tree::Tree;

/// Where secrets come from that a scenario does not contain.
#[derive(Debug, Clone, Copy, Default)]
pub enum Secrets {
    /// A run needs them, and nothing says how they are read: a scenario that leaves some out is refused.
    #[default]
    Needed,
    /// Read them by this.
    Read(fn(&SecretSource) -> Result<String, String>),
    /// Nothing runs: they stay unknown.
    Unneeded,
}

/// Fills in what the machine knows.
pub(crate) fn resolve(file: &mut File, secrets: Secrets, tree: &Tree) -> Result<(), Problem> {
    let read = match secrets {
        Secrets::Unneeded => return Ok(()),
        Secrets::Needed => {
            |_: &SecretSource| Err("this program reads no secrets from outside of a scenario".to_string())
        }
        Secrets::Read(read) => read,
    };
    let one = |path: String, login: Option<&mut Login>| {
        let Some(login) = login else { return Ok(()) };
        for (key, secret) in [("user", &mut login.user), ("password", &mut login.password)] {
            if let Some(source) = secret.source() {
                let text = read(source).map_err(|what| tree.problem(&format!("{path}.{key}"), what))?;
                secret.resolve(text);
            }
        }
        Ok(())
    };
    for (name, client) in &mut file.clients {
        one(format!("clients.{name}.credentials"), client.credentials.as_mut())?;
        one(format!("clients.{name}.proxy_credentials"), client.proxy_credentials.as_mut())?;
    }
    for (name, proxy) in &mut file.proxies {
        one(format!("proxies.{name}.credentials"), proxy.credentials.as_mut())?;
    }
    for (name, server) in &mut file.servers {
        for (number, own) in server.behavior.0.iter_mut().enumerate() {
            one(format!("{}.credentials", behavior::place(name, number, tree)), own.credentials.as_mut())?;
        }
    }
    Ok(())
}
