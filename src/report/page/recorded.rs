//! The recorded files that a page is made from.

use serde_json::Value as Json;

use crate::report::version::readable;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// A file that is needed is not there.
    #[error("no {0}")]
    Missing(&'static str),
    /// A file can't be read.
    #[error("{0}: {1}")]
    Unreadable(&'static str, String),
    /// A file of another version.
    #[error("{0} has {1}")]
    Version(&'static str, String),
    /// Nothing that has a page.
    #[error(
        "no result of a run, a sweep, a comparison or a search for capacity: there is no run.json, sweep.json, compare.json or capacity.json"
    )]
    Nothing,
}

/// Recorded files by name.
#[derive(Debug, Clone, Copy)]
pub struct Recorded<'a>(pub &'a [(String, Vec<u8>)]);

impl<'a> Recorded<'a> {
    pub(super) fn bytes(self, name: &str) -> Option<&'a [u8]> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, bytes)| bytes.as_slice())
    }

    /// A file's text.
    ///
    /// # Errors
    /// When it is not there, or no text.
    pub fn text(self, name: &'static str) -> Result<&'a str, PageError> {
        let bytes = self.bytes(name).ok_or(PageError::Missing(name))?;
        std::str::from_utf8(bytes).map_err(|error| PageError::Unreadable(name, error.to_string()))
    }

    pub(in crate::report) fn json(self, name: &'static str) -> Result<Json, PageError> {
        serde_json::from_str(self.text(name)?).map_err(|error| PageError::Unreadable(name, error.to_string()))
    }

    /// Whether what the files say they are is of the version that is read here.
    ///
    /// # Errors
    /// [`PageError::Version`].
    pub fn is_readable(self) -> Result<(), PageError> {
        for name in ["run.json", "sweep.json", "compare.json", "capacity.json"] {
            if self.bytes(name).is_some() {
                readable(&self.json(name)?).map_err(|what| PageError::Version(name, what))?;
            }
        }
        Ok(())
    }

    /// A document for each line; none where there is no such file.
    pub(super) fn lines(self, name: &'static str) -> Result<Vec<Json>, PageError> {
        if self.bytes(name).is_none() {
            return Ok(Vec::new());
        }
        let parsed = self.text(name)?.lines().map(serde_json::from_str);
        parsed.collect::<Result<_, _>>().map_err(|error| PageError::Unreadable(name, error.to_string()))
    }
}
