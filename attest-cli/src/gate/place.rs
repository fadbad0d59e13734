//! Where an item stands, as code hosts name it: relative to the repository that the run is in.

use std::{
    fmt::Write as _,
    io,
    path::{Component, Path, PathBuf},
};

/// The top of the checkout that the run is in, or the folder that it is in.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    here: PathBuf,
    top: PathBuf,
}

impl Root {
    pub(crate) fn find() -> io::Result<Self> {
        let here = std::env::current_dir()?;
        let top = here.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(&here).to_owned();
        Ok(Self { here, top })
    }

    /// A path below the top, with slashes; none for one that is outside.
    pub(crate) fn relative(&self, path: &Path) -> Option<String> {
        let plain = lexical(&self.here.join(path));
        let below = plain.strip_prefix(&self.top).ok()?;
        Some(below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/"))
    }

    /// As a URI reference: relative to the top where it is below it.
    pub(crate) fn uri(&self, path: &Path) -> (String, bool) {
        match self.relative(path) {
            Some(relative) => (encoded(&relative), true),
            None => (file_uri(&lexical(&self.here.join(path))), false),
        }
    }

    /// Of the top itself, as a folder.
    pub(crate) fn base(&self) -> String {
        let uri = file_uri(&self.top);
        if uri.ends_with('/') { uri } else { uri + "/" }
    }
}

/// Without `.` and `..`, by the words of the path alone.
fn lexical(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

fn file_uri(path: &Path) -> String {
    format!("file://{}", encoded(&path.to_string_lossy()))
}

/// RFC 3986: unreserved characters and the slash stay.
fn encoded(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            uri.push(char::from(byte));
        } else {
            // Writing into a String does not fail.
            let _written = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_named_from_the_top_of_the_checkout() {
        let root = Root { here: PathBuf::from("/src/app"), top: PathBuf::from("/src") };
        for (path, uri) in [
            ("uv.lock", ("app/uv.lock", true)),
            ("../uv.lock", ("uv.lock", true)),
            ("./a b/100%.txt", ("app/a%20b/100%25.txt", true)),
            ("/src/app/a:b#c.txt", ("app/a%3Ab%23c.txt", true)),
            ("../../etc/x", ("file:///etc/x", false)),
            ("/tmp/x", ("file:///tmp/x", false)),
        ] {
            assert_eq!(root.uri(Path::new(path)), (uri.0.to_owned(), uri.1), "{path}");
        }
        assert_eq!(root.base(), "file:///src/");
    }
}
