//! Writes `corpus/TARGET/` for every target, and prints the targets' names.

use std::{fs, io, path::Path};

fn main() -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for target in attest_fuzz::properties::TARGETS {
        let folder = corpus.join(target.name);
        fs::create_dir_all(&folder)?;
        for (number, seed) in attest_fuzz::seeds::seeds(target.name).iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:04}")), seed)?;
        }
        println!("{}", target.name);
    }
    Ok(())
}
