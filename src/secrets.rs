//! Secrets that a scenario leaves to the machine: the one thing of a run that its environment may say.

use std::io::Read;

use shakedown_core::http::SecretSource;

/// The most bytes of a file that is a secret.
const MOST: u64 = 64 << 10;

/// Reads a secret where the scenario says that it stands. What goes wrong never shows any of it.
///
/// # Errors
/// Why there is none, or none that can be used.
pub(crate) fn read_secret(source: &SecretSource) -> Result<String, String> {
    match source {
        SecretSource::Env(name) => match std::env::var(name) {
            Ok(text) => Ok(text),
            Err(std::env::VarError::NotPresent) => Err(format!("the environment has no variable `{name}`")),
            Err(std::env::VarError::NotUnicode(_)) => Err(format!("the variable `{name}` is not UTF-8")),
        },
        SecretSource::File(path) => {
            let mut bytes = Vec::new();
            let read = std::fs::File::open(path).and_then(|file| file.take(MOST + 1).read_to_end(&mut bytes));
            read.map_err(|error| format!("can't read `{path}`: {error}"))?;
            if bytes.len() as u64 > MOST {
                return Err(format!("`{path}` is no secret: it has more than {MOST} bytes"));
            }
            let text = String::from_utf8(bytes).map_err(|_| format!("`{path}` is not UTF-8"))?;
            let text = text.strip_suffix('\n').unwrap_or(&text);
            Ok(text.strip_suffix('\r').unwrap_or(text).to_string())
        }
    }
}
