//! `DIR/record.db`: its tables, and whether a file that is there can be gone on with.
//!
//! | table | a row for each | bytes |
//! |---|---|---|
//! | `entry` | entry of the log, by its index | about 220 with all else in the file |
//! | `file`, `release`, `project` | file (name and digest), version as spelled, project | about 190 for a file |
//! | `source` | commit or sdist that something was built from | about 70 |
//! | `author` | text that statements call their rebuilder by | few |
//! | `party` | rebuilder on the list | few |
//! | `tally` | of what [`Counts`](attest_core::api::record::Counts) are kept | about 20 |
//! | `disagreement` | pair of entries, or entry, that is shown as one | few |
//! | `covered` | one: which log, how many entries, and their root | |
//!
//! Digests are looked up by their first eight bytes as a number, in an index of a sixth of the size; what is found is
//! compared with the whole digest.

use std::path::Path;

use attest_core::merkle::{RootHash, TreeHead, TreeSize};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use super::RecordError;

/// Of the tables and of what is written into them: another one is no record of this program.
const VERSION: i64 = 2;
/// "attr": what `file` and other programs know the file by.
const APPLICATION: i64 = 0x6174_7472;
/// Pages that the writer keeps, in KiB.
const CACHE: i64 = 64 << 10;

const TABLES: &str = "
CREATE TABLE covered (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    vkey TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL
) STRICT;
CREATE TABLE party (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, tag TEXT NOT NULL,
    name TEXT NOT NULL, grp TEXT NOT NULL, url TEXT NOT NULL, contact TEXT NOT NULL,
    fingerprint TEXT NOT NULL, certificate TEXT
) STRICT;
CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE project (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE release (
    id INTEGER PRIMARY KEY, project INTEGER NOT NULL, version TEXT NOT NULL, UNIQUE (project, version)
) STRICT;
CREATE TABLE file (
    id INTEGER PRIMARY KEY, release INTEGER NOT NULL, prefix INTEGER NOT NULL, sha256 BLOB NOT NULL,
    name TEXT NOT NULL,
    groups INTEGER NOT NULL, equivalent INTEGER NOT NULL, apart INTEGER NOT NULL, accused INTEGER NOT NULL
) STRICT;
CREATE INDEX file_of_release ON file (release, groups, equivalent, apart, accused);
CREATE INDEX file_of_name ON file (release, name);
CREATE INDEX file_of_digest ON file (prefix);
CREATE TABLE source (
    id INTEGER PRIMARY KEY, prefix INTEGER NOT NULL, kind INTEGER NOT NULL, digest BLOB NOT NULL
) STRICT;
CREATE INDEX source_of_digest ON source (prefix);
CREATE TABLE entry (
    idx INTEGER PRIMARY KEY,
    says INTEGER NOT NULL, standing INTEGER NOT NULL,
    party INTEGER, author INTEGER, project INTEGER, file INTEGER, statement BLOB,
    lack INTEGER, outcome INTEGER, origin INTEGER, method INTEGER, source INTEGER, time INTEGER,
    inputs INTEGER, output INTEGER, names BLOB, withdrawn_by INTEGER
) STRICT;
CREATE INDEX entry_of_party ON entry (party);
CREATE INDEX entry_of_project ON entry (project) WHERE project IS NOT NULL;
CREATE INDEX entry_of_file ON entry (file) WHERE file IS NOT NULL;
CREATE INDEX entry_of_source ON entry (source) WHERE source IS NOT NULL;
CREATE INDEX entry_of_named ON entry (names) WHERE names IS NOT NULL;
CREATE INDEX entry_of_inputs ON entry (inputs) WHERE inputs IS NOT NULL;
CREATE TABLE tally (
    kind INTEGER, id INTEGER,
    reproduced INTEGER NOT NULL, no_votes INTEGER NOT NULL, equivalent INTEGER NOT NULL, abstained INTEGER NOT NULL,
    contradicted INTEGER NOT NULL, withdrawn INTEGER NOT NULL, withdrawals INTEGER NOT NULL, others INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE disagreement (
    entry INTEGER, kind INTEGER, other INTEGER NOT NULL, party INTEGER, other_party INTEGER,
    PRIMARY KEY (entry, kind, other)
) STRICT, WITHOUT ROWID;
CREATE INDEX disagreement_of_party ON disagreement (party, entry);
CREATE INDEX disagreement_of_other ON disagreement (other_party, entry);
";

/// Opens the file for the one writer, if it is a record of this log and of this version; makes an empty one where there is
/// no file. `None`: it is something else, to be deleted.
pub(super) fn open(path: &Path, vkey: &str) -> Result<Option<Connection>, RecordError> {
    let fresh = !path.exists();
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    // A power cut may take the newest transactions, and never a part of one; what is missing is read again.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "cache_size", -CACHE)?;
    connection.pragma_update(None, "journal_size_limit", CACHE * 1024)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(64);
    if fresh {
        create(&connection, vkey)?;
        return Ok(Some(connection));
    }
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    if (number("application_id")?, number("user_version")?) != (APPLICATION, VERSION) {
        return Ok(None);
    }
    let of: Option<String> = connection.query_row("SELECT vkey FROM covered", [], |row| row.get(0)).optional()?;
    Ok((of.as_deref() == Some(vkey)).then_some(connection))
}

/// One transaction: if we crash in here, the next start finds a file of version 0 and deletes it.
fn create(connection: &Connection, vkey: &str) -> Result<(), RecordError> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(TABLES)?;
    let empty = RootHash::of_empty();
    transaction.execute("INSERT INTO covered VALUES (1, ?1, 0, ?2)", (vkey, empty.as_bytes()))?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    Ok(())
}

/// Opens the file for reading only.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, RecordError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// The entries that are in it.
pub(super) fn covered(connection: &Connection) -> Result<TreeHead, RecordError> {
    let mut query = connection.prepare_cached("SELECT size, root FROM covered")?;
    let (size, root): (i64, [u8; 32]) = query.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let size = TreeSize::new(u64::try_from(size).map_err(|_| RecordError::Damaged { what: "the number of entries" })?);
    Ok(TreeHead { size, root: RootHash::from_bytes(root) })
}

/// In the transaction of the entries up to there.
pub(super) fn set_covered(connection: &Connection, head: TreeHead) -> Result<(), RecordError> {
    let size = super::number(head.size.get());
    connection.prepare_cached("UPDATE covered SET size = ?1, root = ?2")?.execute((size, head.root.as_bytes()))?;
    Ok(())
}
