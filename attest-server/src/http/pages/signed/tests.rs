use super::{samples::HOSTILE, *};

#[test]
fn everything_that_hides_or_that_xml_has_no_place_for_is_written_out() {
    let shown = visible(HOSTILE);
    assert!(!shown.chars().any(|c| c.is_control() || matches!(c, '\u{202e}' | '\u{fffe}')), "{shown}");
    assert!(shown.contains("\\u{202e}\\u{0}\\u{1b}]0;x\\u{7}"));
    assert_eq!(visible("zażółć – 測試"), "zażółć – 測試");
}

#[test]
fn a_document_has_a_tag_of_its_bytes_and_is_not_sent_twice() {
    let document = || Document::new(SVG, SHORT, "<svg/>");
    let first = tagged(document(), &HeaderMap::new());
    assert_eq!(first.status(), StatusCode::OK);
    assert_eq!(first.headers()[header::CACHE_CONTROL], SHORT);
    assert_eq!(first.headers()[header::CONTENT_TYPE], SVG);
    let mut asked = HeaderMap::new();
    asked.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
    let second = tagged(document(), &asked);
    assert_eq!(second.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(second.headers()[header::ETAG], first.headers()[header::ETAG]);
    let other = tagged(Document::new(SVG, SHORT, "<svg></svg>"), &asked);
    assert_eq!(other.status(), StatusCode::OK);
}
