//! Modes, line ends and the system that a wheel was made on.

use attest_core::recipe::{Files, LineEnds, Modes, Umask, ZipSystem};

use super::Generator;
use crate::rebuild::tree::Tree;
use crate::rebuild::wheel::Wheel;

const S_IFREG: u32 = 0o100_000;
/// APPNOTE 4.4.2: MS-DOS, which is what Python on Windows says.
const MADE_ON_WINDOWS: u8 = 0;

/// A wheel that says it was made on Windows has that system's line ends and modes, too, where the backend lets them show.
pub(super) fn infer(generator: &Generator, wheel: &Wheel, sdist: &Tree) -> Files {
    if wheel.members().iter().all(|member| member.create_system == MADE_ON_WINDOWS) {
        return Files {
            umask: Umask::new(0),
            modes: Modes::Windows,
            line_ends: Some(LineEnds::Crlf),
            zip_system: Some(ZipSystem::Windows),
        };
    }
    let umask = infer_umask(generator, wheel);
    Files { umask, modes: infer_modes(wheel, sdist), line_ends: None, zip_system: None }
}

/// setuptools writes METADATA through the umask; the other backends normalise modes.
fn infer_umask(generator: &Generator, wheel: &Wheel) -> Umask {
    let written = wheel.metadata("METADATA").map_or(0, |member| member.mode() & 0o777);
    if generator.by_setuptools() && written != 0 { Umask::new(0o666 & !written) } else { Umask::new(0o022) }
}

/// setuptools copies some files, such as licences, with their modes: those tell how the sdist had been unpacked.
fn infer_modes(wheel: &Wheel, sdist: &Tree) -> Modes {
    let verbatim =
        wheel.members().iter().filter(|member| wheel.is_metadata(&member.name) && !member.content.is_empty());
    for member in verbatim {
        let Some(base) = member.name.rsplit('/').next() else {
            continue;
        };
        let same = sdist.files().find(|(path, file)| path.ends_with(base) && file.content == member.content);
        let Some((_, file)) = same else { continue };
        let (raw, filtered) = (Modes::Raw.apply(file.mode), Modes::Filtered.apply(file.mode));
        if raw != filtered && member.mode() & 0o777 == filtered {
            return Modes::Filtered;
        }
    }
    Modes::Raw
}

/// `wheel` before 0.38 gave RECORD permission bits only.
pub(super) fn has_record_without_file_type(wheel: &Wheel) -> bool {
    wheel.metadata("RECORD").is_some_and(|record| record.mode() != 0 && record.mode() & S_IFREG == 0)
}
