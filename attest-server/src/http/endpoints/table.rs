//! The table.

use attest_core::tile::Entry;
use axum::routing::{get, post};

use super::{
    Answer, Body,
    Caching::{Always, Briefly, Never},
    Content, Endpoint,
    Form::{self, AnyName, Digest, Index, Level, Name, RebuilderId, Shards, Text, TileIndex, Version, Width},
    Parameter, Place,
    Tag::{Description, Evidence, Operation, Record},
    Verb::{Get, Post},
};
use crate::http::{health, json, lookup, metrics, negatives, openapi, pages, read, statements};

/// In the order in which people read about them.
pub(in crate::http) static ENDPOINTS: [Endpoint; 26] = [
    Endpoint {
        id: "getCheckpoint",
        path: "/checkpoint",
        handler: || get(read::read),
        summary: "The signed tree head",
        detail: "A C2SP checkpoint (c2sp.org/tlog-checkpoint) with the cosignatures of witnesses.",
        answers: &[Answer { status: 200, meaning: "The note.", content: TEXT }],
        problems: &[404],
        ..EVIDENCE
    },
    Endpoint {
        id: "getTile",
        path: "/tile/{level}/{index}",
        route: Some(TILES),
        handler: || get(read::read),
        summary: "256 hashes of the Merkle tree",
        detail: "C2SP tlog-tiles (c2sp.org/tlog-tiles). From index 1000 on, more groups of three digits stand before it, each \
                 with an x: `x001/234`.",
        parameters: &[path("level", Level, "0 for leaf hashes."), path("index", TileIndex, TILE_INDEX)],
        answers: &[Answer { status: 200, meaning: "The hashes, 32 bytes each.", content: Content::Octets }],
        problems: &[400, 404],
        caching: Always,
        ..EVIDENCE
    },
    Endpoint {
        id: "getPartialTile",
        path: "/tile/{level}/{index}.p/{width}",
        route: Some(TILES),
        handler: || get(read::read),
        summary: "The first hashes of a tile that is not full",
        parameters: &[
            path("level", Level, "0 for leaf hashes."),
            path("index", TileIndex, TILE_INDEX),
            path("width", Width, "Hashes in it."),
        ],
        answers: &[Answer { status: 200, meaning: "The hashes, 32 bytes each.", content: Content::Octets }],
        problems: &[400, 404],
        caching: Always,
        ..EVIDENCE
    },
    Endpoint {
        id: "getBundle",
        path: "/tile/entries/{index}",
        route: Some(TILES),
        handler: || get(read::read),
        summary: "256 entries",
        detail: "Each with its length in two bytes before it, all compressed with gzip.",
        parameters: &[path("index", TileIndex, TILE_INDEX)],
        answers: &[Answer { status: 200, meaning: "The entries.", content: Content::Octets }],
        problems: &[400, 404],
        caching: Always,
        ..EVIDENCE
    },
    Endpoint {
        id: "getPartialBundle",
        path: "/tile/entries/{index}.p/{width}",
        route: Some(TILES),
        handler: || get(read::read),
        summary: "The first entries of a bundle that is not full",
        parameters: &[path("index", TileIndex, TILE_INDEX), path("width", Width, "Entries in it.")],
        answers: &[Answer { status: 200, meaning: "The entries.", content: Content::Octets }],
        problems: &[400, 404],
        caching: Always,
        ..EVIDENCE
    },
    Endpoint {
        id: "submitStatement",
        method: Post,
        path: "/api/v1/statements",
        handler: || post(statements::submit),
        summary: "Log a signed statement",
        detail: "One canonical DSSE envelope, signed by a rebuilder that the log lists. Answered when its entry is under a \
                 published checkpoint. A mirror and a frozen log refuse with 403.",
        body: Some(Body {
            media: attest_core::api::ENVELOPE_TYPE,
            schema: "Envelope",
            curl: "@statement.dsse.json",
            limit: Entry::MAX_LEN,
        }),
        answers: &[
            Answer { status: 201, meaning: "Logged, with its proof.", content: Content::Json("Submitted") },
            Answer { status: 200, meaning: "Was logged before.", content: Content::Json("Submitted") },
        ],
        problems: &[400, 403, 413, 415, 507],
        ..EVIDENCE
    },
    Endpoint {
        id: "lookup",
        method: Post,
        path: "/api/v1/lookup",
        handler: || post(lookup::lookup),
        summary: "All about many files",
        detail: "A request in its effect, a POST for its size: nothing changes. The checkpoint, the entries and their proofs are \
                 of one tree.",
        body: Some(Body {
            media: "application/json",
            schema: "Lookup",
            curl: "{\"digests\":[\"8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254\"]}",
            limit: lookup::MAX_BODY,
        }),
        answers: &[Answer { status: 200, meaning: "What is logged.", content: Content::Json("Found") }],
        problems: &[400, 413, 415],
        ..EVIDENCE
    },
    Endpoint {
        id: "getArtifact",
        path: "/api/v1/artifacts/{sha256}",
        handler: || get(lookup::artifact),
        summary: "All about one file",
        parameters: &[
            path("sha256", Digest, "Of the published file."),
            query("from", Index, "Entries from this index on: `moreFrom` of an answer that did not hold them all."),
        ],
        answers: &[Answer { status: 200, meaning: "What is logged.", content: Content::Json("Found") }],
        ..EVIDENCE
    },
    Endpoint {
        id: "getNegatives",
        path: "/api/v1/negatives",
        handler: || get(negatives::list),
        summary: "The signed list of what speaks against files",
        detail: "Nothing can be left out of it unnoticed (docs/negatives.md). `shards` stands before `size`.",
        parameters: &[
            query("shards", Shards, "Which parts to send along: the first bytes of digests, ascending, each once."),
            query("size", Index, "The list at this size of the log; the newest where it is absent."),
        ],
        answers: &[Answer { status: 200, meaning: "The list.", content: Content::Json("FoundNegatives") }],
        problems: &[404],
        ..EVIDENCE
    },
    Endpoint {
        id: "getShard",
        path: "/negatives/{sha256}",
        handler: || get(negatives::shard),
        summary: "A part of that list, by its digest",
        parameters: &[path("sha256", Digest, "Of the shard, from the list's table.")],
        answers: &[Answer { status: 200, meaning: "The shard.", content: Content::Octets }],
        problems: &[404],
        caching: Always,
        ..EVIDENCE
    },
    Endpoint {
        id: "getLog",
        path: "/api/v1/log",
        handler: || get(json::log),
        summary: "The log at a glance",
        detail: "Key, checkpoint, counts, the last days, who is listed, the newest entries.",
        answers: &[Answer { status: 200, meaning: "The log.", content: Content::Json("LogView") }],
        ..RECORD
    },
    Endpoint {
        id: "listProjects",
        path: "/api/v1/projects",
        handler: || get(json::projects),
        summary: "Projects that anything is said about, by name",
        parameters: &[query("after", Name, CURSOR)],
        answers: &[Answer { status: 200, meaning: "A part of the list.", content: Content::Json("PageOfProjects") }],
        ..RECORD
    },
    Endpoint {
        id: "getProject",
        path: "/api/v1/projects/{name}",
        handler: || get(json::project),
        summary: "One project: its releases and what was said",
        parameters: &[path("name", AnyName, PROJECT), query("before", Index, CURSOR)],
        answers: &[
            Answer { status: 200, meaning: "The project.", content: Content::Json("ProjectView") },
            Answer { status: 308, meaning: NORMAL, content: Content::Elsewhere },
        ],
        ..RECORD
    },
    Endpoint {
        id: "getRelease",
        path: "/api/v1/projects/{name}/releases/{version}",
        handler: || get(json::release),
        summary: "One release: its files by the groups of rebuilders",
        parameters: &[
            path("name", AnyName, PROJECT),
            path("version", Version, "As in the file names. `!` and `+` may be percent-encoded."),
            query("after", Index, CURSOR),
        ],
        answers: &[
            Answer { status: 200, meaning: "The release.", content: Content::Json("ReleaseView") },
            Answer { status: 308, meaning: NORMAL, content: Content::Elsewhere },
        ],
        ..RECORD
    },
    Endpoint {
        id: "getFile",
        path: "/api/v1/files/{sha256}",
        handler: || get(json::file),
        summary: "One file: who reproduced it, and what was said, whole",
        parameters: &[path("sha256", Digest, "Of the published file."), query("before", Index, CURSOR)],
        answers: &[Answer { status: 200, meaning: "The file.", content: Content::Json("FileView") }],
        ..RECORD
    },
    Endpoint {
        id: "listEntries",
        path: "/api/v1/entries",
        handler: || get(json::entries),
        summary: "Entries, newest first",
        parameters: &[query("before", Index, CURSOR)],
        answers: &[Answer { status: 200, meaning: "A part of the list.", content: Content::Json("PageOfEntries") }],
        ..RECORD
    },
    Endpoint {
        id: "getEntry",
        path: "/api/v1/entries/{index}",
        handler: || get(json::entry),
        summary: "One entry, with the path that proves it",
        parameters: &[path("index", Index, "Where in the log it is.")],
        answers: &[Answer { status: 200, meaning: "The entry.", content: Content::Json("EntryView") }],
        ..RECORD
    },
    Endpoint {
        id: "listRebuilders",
        path: "/api/v1/rebuilders",
        handler: || get(json::rebuilders),
        summary: "Rebuilders that this server lists, by name",
        parameters: &[query("after", RebuilderId, CURSOR)],
        answers: &[Answer { status: 200, meaning: "A part of the list.", content: Content::Json("PageOfRebuilders") }],
        ..RECORD
    },
    Endpoint {
        id: "getRebuilder",
        path: "/api/v1/rebuilders/{id}",
        handler: || get(json::rebuilder),
        summary: "One rebuilder: key, contact, what it said",
        parameters: &[path("id", RebuilderId, "Of its key, from the list."), query("before", Index, CURSOR)],
        answers: &[Answer { status: 200, meaning: "The rebuilder.", content: Content::Json("RebuilderView") }],
        ..RECORD
    },
    Endpoint {
        id: "listDisagreements",
        path: "/api/v1/disagreements",
        handler: || get(json::disagreements),
        summary: "Where statements do not agree, newest first",
        parameters: &[query("before", Index, CURSOR)],
        answers: &[Answer {
            status: 200,
            meaning: "A part of the list.",
            content: Content::Json("PageOfDisagreements"),
        }],
        ..RECORD
    },
    Endpoint {
        id: "search",
        path: "/api/v1/search",
        handler: || get(json::search),
        summary: "What a text may mean",
        detail: "A project, a file name, a digest, a commit, a statementId, an index, a rebuilder.",
        parameters: &[Parameter {
            name: "q",
            place: Place::RequiredQuery,
            form: Text,
            meaning: "The text; read up to 200 bytes.",
        }],
        answers: &[Answer { status: 200, meaning: "What was found.", content: Content::Json("SearchAnswer") }],
        ..RECORD
    },
    Endpoint {
        id: "getOpenapi",
        tag: Description,
        path: "/api/v1/openapi.json",
        handler: || get(openapi::document),
        summary: "This API as an OpenAPI 3.1 document",
        answers: &[Answer { status: 200, meaning: "The document.", content: Content::Json("Document") }],
        ..RECORD
    },
    Endpoint {
        id: "getApiPage",
        tag: Description,
        path: "/api/",
        handler: || get(pages::api::page),
        summary: "This API as a page for people",
        answers: &[Answer { status: 200, meaning: "The page.", content: Content::Text("text/html") }],
        problems: &[],
        ..RECORD
    },
    Endpoint {
        id: "getHealth",
        tag: Operation,
        path: "/healthz",
        handler: || get(health::healthz),
        summary: "The process answers",
        answers: &[Answer { status: 200, meaning: "`ok`.", content: TEXT }],
        ..EVIDENCE
    },
    Endpoint {
        id: "getReadiness",
        tag: Operation,
        path: "/readyz",
        handler: || get(health::readyz),
        summary: "It does its work",
        detail: "docs/operating.md says what keeps it from that.",
        answers: &[
            Answer { status: 200, meaning: "It does.", content: Content::Json("Readiness") },
            Answer { status: 503, meaning: "It does not.", content: Content::Json("Readiness") },
        ],
        ..EVIDENCE
    },
    Endpoint {
        id: "getMetrics",
        tag: Operation,
        path: "/metrics",
        handler: || get(metrics::metrics),
        summary: "What Prometheus scrapes",
        detail: "404 where the operator serves it elsewhere.",
        answers: &[Answer {
            status: 200,
            meaning: "One exposition.",
            content: Content::Text("application/openmetrics-text"),
        }],
        problems: &[404],
        ..EVIDENCE
    },
];

const TEXT: Content = Content::Text("text/plain");
const TILES: &str = "/tile/{*path}";
const TILE_INDEX: &str = "Of the tile, in its level.";
const CURSOR: &str = "`next` of the page before: what comes after it.";
const PROJECT: &str = "Name of the project; one that is not normalised is answered with 308.";
const NORMAL: &str = "The name is spelled as in `Location`.";

/// What endpoints that give evidence have in common.
const EVIDENCE: Endpoint = Endpoint {
    id: "",
    tag: Evidence,
    method: Get,
    path: "",
    route: None,
    handler: || get(read::read),
    summary: "",
    detail: "",
    parameters: &[],
    body: None,
    answers: &[],
    problems: &[],
    caching: Never,
};

/// What endpoints of the public record have in common.
const RECORD: Endpoint = Endpoint { tag: Record, problems: &[404], caching: Briefly, ..EVIDENCE };

const fn path(name: &'static str, form: Form, meaning: &'static str) -> Parameter {
    Parameter { name, place: Place::Path, form, meaning }
}

const fn query(name: &'static str, form: Form, meaning: &'static str) -> Parameter {
    Parameter { name, place: Place::Query, form, meaning }
}
