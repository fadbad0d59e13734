//! The JSON of a statement.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Build, Digest, EQUIVALENT, Equivalence, NOT_REPRODUCED, Predicate, REPRODUCED, Refusal, STATEMENT_TYPE, Statement,
    StatementError, Subject, WITHDRAWN, Withdrawal,
};
use crate::artifact::{WheelName, excerpt};
use crate::ijson;

/// Everything around the predicate, which the type decides how to read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    #[serde(rename = "_type")]
    statement_type: String,
    subject: Vec<WireSubject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    #[serde(rename = "predicate")]
    _predicate: IgnoredAny,
}

/// The predicate alone: the second pass over a text whose head was read.
#[derive(Deserialize)]
struct Body<P> {
    predicate: P,
}

#[derive(Serialize)]
struct Whole<P> {
    #[serde(rename = "_type")]
    statement_type: &'static str,
    subject: [WireSubject; 1],
    #[serde(rename = "predicateType")]
    predicate_type: &'static str,
    predicate: P,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSubject {
    name: String,
    uri: String,
    digest: Digest,
}

#[derive(Deserialize)]
struct WireEquivalent {
    #[serde(flatten)]
    build: Build,
    rebuilt: Digest,
    members: Vec<Equivalence>,
}

#[derive(Serialize)]
struct EquivalentRef<'a> {
    #[serde(flatten)]
    build: &'a Build,
    rebuilt: Digest,
    members: &'a [Equivalence],
}

#[derive(Deserialize)]
struct WireNotReproduced {
    #[serde(flatten)]
    build: Build,
    #[serde(flatten)]
    refusal: Refusal,
}

#[derive(Serialize)]
struct NotReproducedRef<'a> {
    #[serde(flatten)]
    build: &'a Build,
    #[serde(flatten)]
    refusal: &'a Refusal,
}

/// Reads the members; what they may hold is for [`super::rules`].
pub(super) fn parse(payload: &[u8]) -> Result<(Subject, Predicate), StatementError> {
    let text = ijson::check(payload)?;
    let head: Head = ijson::shape(text)?;
    if head.statement_type != STATEMENT_TYPE {
        return Err(StatementError::Type { found: excerpt(&head.statement_type) });
    }
    let subject = subject(head.subject)?;
    let predicate = match head.predicate_type.as_str() {
        REPRODUCED => Predicate::Reproduced(body(text)?),
        EQUIVALENT => {
            let wire: WireEquivalent = body(text)?;
            Predicate::Equivalent { build: wire.build, rebuilt: wire.rebuilt.sha256, members: wire.members }
        }
        NOT_REPRODUCED => {
            let WireNotReproduced { build, refusal } = body(text)?;
            Predicate::NotReproduced { build, refusal }
        }
        WITHDRAWN => Predicate::Withdrawn(body::<Withdrawal>(text)?),
        other => {
            return Err(StatementError::PredicateType { found: excerpt(other) });
        }
    };
    Ok((subject, predicate))
}

fn body<'a, P: Deserialize<'a>>(text: &'a str) -> Result<P, StatementError> {
    let body: Body<P> = ijson::shape(text)?;
    Ok(body.predicate)
}

fn subject(subjects: Vec<WireSubject>) -> Result<Subject, StatementError> {
    let [wire] =
        <[WireSubject; 1]>::try_from(subjects).map_err(|all| StatementError::SubjectCount { found: all.len() })?;
    let name = WheelName::parse(&wire.name).map_err(StatementError::SubjectName)?;
    // docs/TRUST.md 3.2: name, purl and grammar agree, so the purl is the one that the name gives.
    let expected = name.purl();
    if wire.uri != expected {
        return Err(StatementError::SubjectUri { expected, found: excerpt(&wire.uri) });
    }
    Ok(Subject { name, digest: wire.digest.sha256 })
}

/// `expected`: how long it will probably be.
pub(super) fn to_bytes(statement: &Statement, expected: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(expected);
    match &statement.predicate {
        Predicate::Reproduced(build) => whole(&mut bytes, statement, build),
        Predicate::Equivalent { build, rebuilt, members } => {
            whole(&mut bytes, statement, EquivalentRef { build, rebuilt: (*rebuilt).into(), members });
        }
        Predicate::NotReproduced { build, refusal } => {
            whole(&mut bytes, statement, NotReproducedRef { build, refusal });
        }
        Predicate::Withdrawn(withdrawal) => whole(&mut bytes, statement, withdrawal),
    }
    bytes
}

fn whole<P: Serialize>(bytes: &mut Vec<u8>, statement: &Statement, predicate: P) {
    let Subject { name, digest } = &statement.subject;
    let whole = Whole {
        statement_type: STATEMENT_TYPE,
        subject: [WireSubject { name: name.as_str().to_owned(), uri: name.purl(), digest: (*digest).into() }],
        predicate_type: statement.predicate.type_uri(),
        predicate,
    };
    serde_json::to_writer(bytes, &whole).expect("strings, integers and string-keyed maps always serialize");
}

/// Holds that what was understood stands in the text in the one shape that we write; only members that we do not know
/// may be there beside it.
///
/// serde reads an object from an array of its values and a word from an object with one key as well. Other readers of
/// the same signed bytes do not, so such texts are refused.
pub(super) fn check_spelling(statement: &Statement, payload: &[u8]) -> Result<(), StatementError> {
    let understood: Value = ijson::from_slice(&to_bytes(statement, payload.len()))?;
    let text: Value = ijson::from_slice(payload)?;
    covers(&text, &understood, "statement")
}

fn covers(text: &Value, understood: &Value, member: &str) -> Result<(), StatementError> {
    let same = match (text, understood) {
        (Value::Object(text), Value::Object(understood)) => {
            return understood
                .iter()
                .try_for_each(|(key, value)| covers(text.get(key).unwrap_or(&Value::Null), value, key));
        }
        (Value::Array(text), Value::Array(understood)) => {
            if text.len() == understood.len() {
                return text.iter().zip(understood).try_for_each(|(text, understood)| covers(text, understood, member));
            }
            false
        }
        (text, understood) => text == understood,
    };
    if same { Ok(()) } else { Err(StatementError::Spelling { member: excerpt(member) }) }
}
